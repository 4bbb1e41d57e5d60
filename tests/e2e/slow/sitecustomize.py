"""Put before all else on the path of a served run by the chaos test: the fake engine takes its time, and each batch
that it is given is written down before it is worked on."""

import importlib.abc
import importlib.util
import os
import sys

ENGINE = "speechpipe.engines.fake"


class Slow(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name != ENGINE:
            return None
        sys.meta_path.remove(self)
        self.spec = importlib.util.find_spec(name)
        return importlib.util.spec_from_loader(name, self, origin=self.spec.origin)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        self.spec.loader.exec_module(module)
        transcribe = module.Fake.transcribe

        def slowly(engine, clips, options):
            import hashlib
            import time

            content = hashlib.sha256(b"".join(clip.pcm.tobytes() for clip in clips)).hexdigest()
            with open(os.environ["CHAOS_BATCHES"], "a") as log:
                log.write(f"{content}\n")
            time.sleep(float(os.environ["CHAOS_SECONDS"]))
            return transcribe(engine, clips, options)

        module.Fake.transcribe = slowly


if "CHAOS_BATCHES" in os.environ:
    sys.meta_path.insert(0, Slow())
