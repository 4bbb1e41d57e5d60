"""Notes, in every Python process of what is watched, each name looked up and each address connected to."""

import os
import sys

NOTED = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


def note(event, arguments):
    if event in NOTED:
        host = arguments[0] if event.startswith("socket.get") else arguments[1]
        with open(os.environ["WATCH_NOTES"], "a") as notes:
            notes.write(f"{event} {host!r}\n")


sys.addaudithook(note)
