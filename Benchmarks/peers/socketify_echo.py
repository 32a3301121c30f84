"""An echo on socketify: uWebSockets with the handler in Python. Usage: socketify_echo.py PORT plain|fan-out CERTIFICATE KEY"""

import sys

from socketify import App, AppListenOptions

PORT, MODE = sys.argv[1:3]
options = {"max_payload_length": 1 << 20, "idle_timeout": 600}
if MODE == "fan-out":
    options["open"] = lambda ws: ws.subscribe("all")
    options["message"] = lambda ws, message, kind: ws.publish("all", message, kind)
else:
    options["message"] = lambda ws, message, kind: ws.send(message, kind)
app = App()
app.ws("/*", options)
app.listen(AppListenOptions(port=int(PORT), host="127.0.0.1"), lambda _: None)
app.run()
