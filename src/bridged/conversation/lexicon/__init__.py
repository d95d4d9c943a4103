"""The words of the questions, one module per language: which signal each word or phrase gives."""
