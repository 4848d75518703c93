"""Shows a recorded graph: as data, as a picture, in words, in written forms.

To read it, begin with `graph` (the recorded graph as data) and `notation` (how numbers and operations are
written).  The rest are readers: `formats`, `explanation`, and for pictures `scene`, `labels`, `drawing`, `layout`.
"""
