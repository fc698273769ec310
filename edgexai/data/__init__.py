"""Reads samples for every verb, in the unit that a model takes; the only place that does.

model.npz, model.npy      arrays of numbers (N, …); .npz: ``x``, ``x_1`` … of further inputs, ``y`` (N,) if known
table.csv                 a column a feature, the first line their names; a column ``y`` or ``label`` is the class
folder                    of PNG, JPEG or BMP images, or of WAV sounds; its sub-folders are classes
"""

from edgexai.data.read import READABLE, Input, Samples, one_by_one, read
from edgexai.runtime.preprocessing import Preprocessing, names, numbers, preprocessing

__all__ = ["READABLE", "Input", "Preprocessing", "Samples", "names", "numbers", "one_by_one", "preprocessing", "read"]
