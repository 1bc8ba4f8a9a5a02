# Debian's python3-proxmoxer deploys a guest to the sandbox. usage: python3 proxmoxer_test.py PORT
import os
import sys
import tempfile
import time

from proxmoxer import ProxmoxAPI
from proxmoxer.core import ResourceException


def connect(secret="00000000-aaaa-4aaa-8aaa-000000000002"):
    return ProxmoxAPI("127.0.0.1", port=int(sys.argv[1]), user="deploy@pve", token_name="ci", token_value=secret,
                      verify_ssl=os.environ["REQUESTS_CA_BUNDLE"], timeout=30)


proxmox = connect()
node = proxmox.nodes("pve1")
guest = node.qemu(101)


def ended(upid):
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        status = node.tasks(upid).status.get()
        if status["status"] == "stopped":
            return status["exitstatus"]
    raise AssertionError(f"{upid} does not end")


def refusal(call):
    try:
        answer = call()
    except ResourceException as error:
        return error
    raise AssertionError(f"not refused: {answer}")


assert proxmox.version.get()["release"] == "9.2"
assert [each["node"] for each in proxmox.nodes.get()] == ["pve1", "pve2", "pve3"]
assert proxmox.cluster.nextid.get() == "101"

assert ended(node.qemu(9000).clone.post(newid=101, name="shop", description="ä & b;c+d")) == "OK"
guest.config.put(cores=2, tags="shop;rev-1", ciupgrade=0)
config = guest.config.get()
assert config["description"] == "ä & b;c+d", config
assert config["tags"] == "rev-1;shop" and config["cores"] == 2, config
assert ended(guest.status.start.post()) == "OK"
assert guest.status.current.get()["status"] == "running"

found = None
while found is None:
    try:
        found = guest.agent("network-get-interfaces").get()
    except ResourceException as error:
        assert "QEMU guest agent is not running" in str(error), error
assert found["result"][1]["name"] == "eth0", found

error = refusal(lambda: guest.config.put(nonsense=1))
assert error.status_code == 400 and "Parameter verification failed." in str(error), error
error = refusal(lambda: node.qemu(9000).clone.post(newid=101))
assert error.status_code == 500 and "config file already exists" in str(error), error
error = refusal(lambda: guest.delete())
assert "VM 101 is running - destroy failed" in str(error), error
error = refusal(lambda: connect("wrong").version.get())
assert error.status_code == 401, error

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "tools.iso")
    with open(path, "wb") as file:
        file.write(b"x" * 3_000_000)
    with open(path, "rb") as file:
        assert ended(node.storage("local").upload.post(content="iso", filename=file)) == "OK"
isos = node.storage("local").content.get(content="iso")
assert [(each["volid"], each["size"]) for each in isos] == [("local:iso/tools.iso", 3_000_000)], isos

assert ended(guest.status.stop.post()) == "OK"
assert ended(guest.delete(purge=1)) == "OK"
print("python3-proxmoxer: version, nodes, nextid, clone, tasks, config, start, agent, upload, errors")
