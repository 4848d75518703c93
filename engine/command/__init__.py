"""The command `chainrule`: an expression and numbers in, both passes out."""
