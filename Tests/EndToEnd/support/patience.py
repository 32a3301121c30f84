"""How much longer a test waits before it gives up. No test measures time by it: what is there is taken at once."""

import os

# INTERJECT_PATIENCE: a factor for every deadline, for binaries that are slowed down (sanitizers, debug builds, busy machines).
PATIENCE = float(os.environ.get("INTERJECT_PATIENCE", "1"))
