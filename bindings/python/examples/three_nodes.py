"""Three nodes in one process: no thread, no file, no clock. The program owns the loop and calls the library."""

import rft

IDS = (1, 2, 3)


class Member:
    """A node, and a state machine of one number: every command adds to it."""

    def __init__(self, id: int) -> None:
        self.id = id
        self.node = rft.Node(rft.Config(id=id, voters=IDS))
        self.sum = 0

    def apply(self, entry: rft.Entry) -> None:
        # A leader opens its term with an entry without data.
        if entry.type == "normal" and entry.data:
            self.sum += int(entry.data)
            print(f"node {self.id} applies {entry.data.decode()}: the sum is {self.sum}")


members = {id: Member(id) for id in IDS}


def settle() -> None:
    """Go round until no node has anything left to do."""
    busy = True
    while busy:
        busy = False
        for member in members.values():
            if (ready := member.node.ready()) is None:
                continue
            busy = True
            # A program with a disk would call save() here.
            for message in ready.messages:
                members[message.to].node.step(message.data)
            for entry in ready.committed:
                member.apply(entry)
            member.node.advance()


def main() -> None:
    # Left alone, the node whose time runs out first would ask for votes. Here node 2 is told to.
    members[2].node.campaign()
    settle()
    for id, member in members.items():
        status = member.node.status()
        print(f"node {id} {'leads as' if status.role == 'leader' else 'follows'} node {status.leader}")

    members[2].node.propose(b"+1", b"+20", b"-7")
    settle()

    # Time is a call. A heartbeat tells the followers what has been committed.
    for member in members.values():
        member.node.tick()
    settle()
    for id, member in members.items():
        status = member.node.status()
        print(f"node {id} has applied {'all' if status.applied == status.commit else 'a part'}")


if __name__ == "__main__":
    main()
