"""The plain dataclasses everyone passes around; nothing here does input or output."""
