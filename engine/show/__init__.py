"""Reading a recorded graph aloud: as data, as a picture, in words, in written forms."""
