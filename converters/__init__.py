"""Into `.tflite`: Keras models and SavedModels, as float or as full-integer int8 with representative data.

TensorFlow is imported by the call that needs it, not by this package.
"""

from converters.keras import from_keras
from converters.saved_model import from_saved_model

__all__ = ["from_keras", "from_saved_model"]
