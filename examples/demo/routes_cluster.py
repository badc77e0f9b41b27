"""Routes that need several nodes."""

from concurrent.futures import ThreadPoolExecutor
from typing import List

from cluster import Node, wait_for
from http_client import Connections
from routes_base import ABSENT, TLS, WithCluster, certain, if_match


class ThreeNodes(WithCluster):
    size = 3

    def roles(self):
        leader = self.cluster.wait_leader()
        return leader, [node for node in self.cluster.running if node is not leader]

    def test_any_node_takes_writes_and_answers_reads(self) -> None:
        leader, followers = self.roles()
        for number, follower in enumerate(followers):
            self.expect(204, follower, "PUT", "/kv/r", b"%d" % number)
            self.assertEqual(self.expect(200, leader, "GET", "/kv/r").body, b"%d" % number)
            self.expect(204, follower, "DELETE", "/kv/r")
            self.expect(404, follower, "GET", "/kv/r")
            self.expect(204, leader, "PUT", "/kv/fresh", b"%d" % number)
            self.assertEqual(self.expect(200, follower, "GET", "/kv/fresh").body, b"%d" % number)
        self.expect(204, followers[0], "POST", "/members", f"add-learner 9={followers[0].address}".encode())
        self.expect(204, followers[1], "POST", "/members", b"remove 9")

    def test_conditions_hold_on_every_node(self) -> None:
        leader, followers = self.roles()
        for node in [leader, *followers]:
            tag = self.expect(204, node, "PUT", "/kv/q", b"1", ABSENT).headers["etag"]
            for other in self.cluster.running:
                self.assertEqual(self.expect(412, other, "PUT", "/kv/q", b"2", ABSENT).headers["etag"], tag)
                self.assertEqual(self.expect(200, other, "GET", "/kv/q").headers["etag"], tag)
            newer = self.expect(204, node, "PUT", "/kv/q", b"3", if_match(tag)).headers["etag"]
            self.expect(412, node, "DELETE", "/kv/q", b"", if_match(tag))
            self.expect(204, node, "DELETE", "/kv/q", b"", if_match(newer))
            self.expect(404, leader, "GET", "/kv/q")

    def test_one_of_many_writers_at_a_time_wins(self) -> None:
        """Each counts up with the revision that it has read: what was acknowledged is what was counted."""
        leader, _ = self.roles()
        self.expect(204, leader, "PUT", "/kv/count", b"0")
        with ThreadPoolExecutor(6) as pool:
            won = sum(pool.map(lambda number: self._count_up(self.cluster.running[number % 3]), range(6)))
        self.assertGreaterEqual(won, 20)
        self.assertEqual(self.expect(200, leader, "GET", "/kv/count").body, b"%d" % won)

    def _count_up(self, node: Node) -> int:
        won = 0
        connections = Connections(tls=self.cluster.tls)
        for _ in range(20):
            seen = certain(connections, node, "GET", "/kv/count")
            body, headers = b"%d" % (int(seen.body) + 1), if_match(seen.headers["etag"])
            status = certain(connections, node, "PUT", "/kv/count", body, headers).status
            self.assertIn(status, (204, 412))
            won += status == 204
        connections.close()
        return won

    def test_status_names_members_and_agrees(self) -> None:
        leader, _ = self.roles()
        self.expect(204, leader, "PUT", "/kv/s", b"x")
        seen = self.cluster.wait_agreement()
        for status in seen.values():
            self.assertEqual({member["id"]: member["address"] for member in status["members"]},
                             {node.id: node.address for node in self.cluster.nodes.values()})
            self.assertEqual([member["flags"] for member in status["members"]], [["voter"]] * 3)

    def test_transfer(self) -> None:
        leader, followers = self.roles()
        to = followers[0]
        location = self.expect(307, to, "POST", f"/transfer/{to.id}").headers["location"]
        self.assertEqual(location, f"{'https' if TLS else 'http'}://{leader.address}/transfer/{to.id}")
        self.cluster.have_lead(to)


class Changing(WithCluster):
    size = 3

    @classmethod
    def setUpClass(cls) -> None:
        """Each test has a cluster of its own: what it leaves behind is another one."""

    def setUp(self) -> None:
        super().setUpClass()
        super().setUp()

    def test_replace_in_one_joint_change_then_lose_the_majority(self) -> None:
        leader = self.cluster.wait_leader()
        out = next(node for node in self.cluster.running if node is not leader)
        self.expect(204, leader, "PUT", "/kv/j", b"x")
        newcomer = self.cluster.join(4)
        self._change(leader, "POST", f"add 4={newcomer.address}\nremove {out.id}\n")
        wanted = [node.id for node in self.cluster.nodes.values() if node is not out]
        wait_for("the joint change to end", 60, lambda: self._voters(leader) == wanted)
        self.cluster.forget(out.id)
        self.cluster.wait_agreement()
        self.assertEqual(self.expect(200, newcomer, "GET", "/kv/j").body, b"x")
        self.assertGreater(newcomer.status()["counters"]["snapshots_restored"], 0)

        last = self.cluster.wait_leader()
        for node in self.cluster.running:
            if node is not last:
                node.kill()
        self.assertIn(self.ask(last, "PUT", "/kv/j", b"y").status, (503, 504))
        self.assertIn(self.ask(last, "GET", "/kv/j").status, (503, 504))
        self.assertEqual(self.expect(200, last, "GET", "/kv/j?stale=1").body, b"x")
        last.stop()

    def test_the_list_as_a_whole(self) -> None:
        leader = self.cluster.wait_leader()
        followers = [node for node in self.cluster.running if node is not leader]
        through, out = followers
        newcomer = self.cluster.join(5)
        self._set(leader, [*self.cluster.running][:3], [newcomer])
        self._set(leader, [*self.cluster.running][:3], [newcomer])  # nothing is left to do
        self.expect(204, leader, "PUT", "/kv/w", b"x")
        self.cluster.wait_agreement()
        # One in, one out, through a node that does not lead.
        self._set(through, [leader, through, newcomer], [])
        self.cluster.forget(out.id)
        self.cluster.wait_agreement()
        self.assertEqual(self.expect(200, newcomer, "GET", "/kv/w").body, b"x")
        # An address alone: of a voter that becomes a learner, and back.
        self._set(leader, [leader, newcomer], [through])
        address, through.address = through.address, "127.0.0.1:1"
        self._set(leader, [leader, newcomer], [through])
        through.address = address
        self._set(leader, [leader, newcomer], [through])
        self._set(newcomer, [leader, newcomer, through], [])
        self.cluster.wait_agreement()
        # A leader that is told to go leads until that is done. A follower may not hear of it any more.
        leader = self.cluster.wait_leader()
        rest = [node for node in (leader, newcomer, through) if node is not leader]
        self._change(leader, "PUT", "\n".join(f"{node.id}={node.address}" for node in rest))
        self._set(rest[0], rest, [])
        self.cluster.forget(leader.id)
        self.cluster.wait_agreement()

    def _change(self, through: Node, method: str, lines: str) -> None:
        """On a busy machine a node can be silent for so long that a change is refused for the quorum's sake."""

        def changed() -> bool:
            answer = certain(self.connections, through, method, "/members", lines.encode())
            if answer.status == 409 and b"RFT_E_QUORUM_AT_RISK" in answer.body:
                return False
            self.assertEqual(answer.status, 204, answer)
            return True

        wait_for("the members to be heard of", 60, changed)

    def _set(self, through: Node, voters: List[Node], learners: List[Node]) -> None:
        lines = [f"{node.id}={node.address}" for node in voters]
        lines += [f"learner {node.id}={node.address}" for node in learners]
        self._change(through, "PUT", "\n".join(lines))
        flags = {node.id: ["voter"] for node in voters} | {node.id: ["learner"] for node in learners}
        members = through.status()["members"]
        self.assertEqual({member["id"]: member["flags"] for member in members}, flags)
        self.assertEqual({member["id"]: member["address"] for member in members},
                         {node.id: node.address for node in voters + learners})

    def _voters(self, node: Node):
        members = node.status()["members"]
        return sorted(member["id"] for member in members if member["flags"] == ["voter"]) if all(
            member["flags"] in (["voter"], ["learner"]) for member in members
        ) else None
