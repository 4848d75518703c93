"""Import one module in a changed form; `tests.mutants` runs this file, and Python runs it in each process that a test starts.

The environment says which module: its name, its file, and a file with the code to use in place of that file's.
"""

import marshal
import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path


class Loader(SourceFileLoader):
    def get_code(self, fullname):
        return marshal.loads(Path(os.environ["MUTANT_CODE"]).read_bytes())


class Finder(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname != os.environ["MUTANT_MODULE"]:
            return None
        file = os.environ["MUTANT_FILE"]
        return spec_from_file_location(fullname, file, loader=Loader(fullname, file))


if "MUTANT_MODULE" in os.environ:
    sys.meta_path.insert(0, Finder())
