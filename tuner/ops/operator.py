"""How a function says what it computes, for kernels that are written out."""

#: Attribute of a function: its operator as JSON text, under the name of its kind.
OPERATOR = "tunefleet.operator"
