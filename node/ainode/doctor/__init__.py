"""Examining what the node needs: own ports and files, disk, databases, peers. No peer gets anything but questions."""
