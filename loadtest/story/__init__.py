"""The story that `make demo` tells: its stage, its commands as a person would type them, its chapters, its accounts."""
