"""An echo on socketify: uWebSockets with the handler in Python. Usage: socketify_echo.py PORT"""

import sys

from socketify import App, AppListenOptions

app = App()
app.ws("/*", {"max_payload_length": 1 << 20, "idle_timeout": 600, "message": lambda ws, message, kind: ws.send(message, kind)})
app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"), lambda _: None)
app.run()
