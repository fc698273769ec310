"""Test by intervention: what a suspected part of a class is recognised by is put into other inputs, and they are
predicted anew."""
