"""The state machine of one group: who is in it, and what was assigned to whom.

Rules: kafka.apache.org/protocol (group membership), KIP-345 (static members), KIP-394 (member ids), KIP-814. Everything
runs in the event loop; a call either answers at once or gives a future.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from enum import Enum

from kio.schema.errors import ErrorCode

from local_kafka.groups.member import (
    JoinedMember,
    JoinRequest,
    JoinResult,
    Member,
    SyncResult,
)
from local_kafka.storage.append import now_ms

log = logging.getLogger("kafka.groups")


class GroupState(Enum):
    """The states as DescribeGroups names them."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


class Group:
    """One group. `changed` is called when its saved form is another one and nobody waits for it to be written."""

    def __init__(self, group_id: str, initial_delay: float, changed: Callable[[Group], None]) -> None:
        self.id = group_id
        self.state = GroupState.EMPTY
        self.generation = 0
        # When its last member went (the broker's time in ms); -1 where it never had one.
        self.empty_since = -1
        self.protocol_type = ""
        self.protocol = ""
        self.leader = ""
        self.members: dict[str, Member] = {}
        self._initial_delay = initial_delay
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        # Ids that were given out and did not come back yet, with the time until which they may.
        self._promised: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._gathering_until = 0.0
        self._sync_deadline = 0.0

    # Joining

    def join(self, request: JoinRequest) -> JoinResult | asyncio.Future[JoinResult]:
        """A member wants to take part in the next generation, or to know the present one."""
        if not self._accepts(request):
            return JoinResult(ErrorCode.inconsistent_group_protocol, request.member_id)
        resident = self._instance(request.instance_id)
        if not request.member_id:
            return self._join_new(request, resident)
        if resident and resident.id != request.member_id:
            return JoinResult(ErrorCode.fenced_instance_id, request.member_id)
        member = self.members.get(request.member_id)
        if member is None:
            if self._promised.pop(request.member_id, None) is None:
                return JoinResult(ErrorCode.unknown_member_id, request.member_id)
            return self._add(request.member_id, request)
        return self._rejoin(member, request)

    def _accepts(self, request: JoinRequest) -> bool:
        """Whether the member speaks a protocol that all others speak too."""
        if not request.protocol_type or not request.protocols:
            return False
        others = [member for member in self.members.values() if member.id != request.member_id]
        others = [
            member for member in others if request.instance_id is None or member.instance_id != request.instance_id
        ]
        if not others:
            return True
        names = {name for name, _ in request.protocols}
        common = set.intersection(*({name for name, _ in member.protocols} for member in others))
        return request.protocol_type == self.protocol_type and bool(names & common)

    def _join_new(self, request: JoinRequest, resident: Member | None) -> JoinResult | asyncio.Future[JoinResult]:
        member_id = f"{request.instance_id or request.client_id}-{uuid.uuid4()}"
        if resident:
            return self._replace_static(resident, member_id, request)
        if request.needs_known_id and request.instance_id is None:
            self._promised[member_id] = self._loop.time() + request.session_timeout
            return JoinResult(ErrorCode.member_id_required, member_id)
        return self._add(member_id, request)

    def _add(self, member_id: str, request: JoinRequest) -> asyncio.Future[JoinResult]:
        member = self.members[member_id] = Member(
            id=member_id,
            instance_id=request.instance_id,
            client_id=request.client_id,
            client_host=request.client_host,
            session_timeout=request.session_timeout,
            rebalance_timeout=request.rebalance_timeout,
            protocols=request.protocols,
        )
        self.protocol_type = request.protocol_type
        log.info("%s: member %s joins", self.id, member_id)
        return self._await_generation(member, is_new=True)

    def _rejoin(self, member: Member, request: JoinRequest) -> JoinResult | asyncio.Future[JoinResult]:
        unchanged = member.protocols == request.protocols
        member.update(request)
        self.touch(member)
        knows_enough = self.state is GroupState.COMPLETING or (
            self.state is GroupState.STABLE and member.id != self.leader
        )
        if unchanged and knows_enough:
            return self._joined(member)
        return self._await_generation(member, is_new=False)

    def _replace_static(
        self, resident: Member, member_id: str, request: JoinRequest
    ) -> JoinResult | asyncio.Future[JoinResult]:
        """A static member came back as a new process: it takes the place of its former self (KIP-345)."""
        resident.answer_join(JoinResult(ErrorCode.fenced_instance_id, resident.id))
        resident.answer_sync(SyncResult(ErrorCode.fenced_instance_id))
        former_leader = self.leader
        self.members = {member_id if name == resident.id else name: member for name, member in self.members.items()}
        if self.leader == resident.id:
            self.leader = member_id
        resident.id, resident.client_id, resident.client_host = member_id, request.client_id, request.client_host
        resident.update(request)
        self.touch(resident)
        log.info("%s: static member %s is back as %s", self.id, resident.instance_id, member_id)
        if self.state is not GroupState.STABLE or self._choose_protocol() != self.protocol:
            return self._await_generation(resident, is_new=False)
        self._changed(self)
        if not request.may_skip_assignment:
            # Named as a follower under the former leader, it asks for its assignment and starts no rebalance.
            return self._joined(resident, leader=former_leader)
        return self._joined(resident, skip_assignment=self.leader == member_id)

    def _await_generation(self, member: Member, *, is_new: bool) -> asyncio.Future[JoinResult]:
        member.answer_join(JoinResult(ErrorCode.rebalance_in_progress, member.id))
        joining = member.joining = self._loop.create_future()
        if self.state is not GroupState.PREPARING:
            self._prepare()
        elif is_new and self._gathering_until:
            self._gather()
        self._complete_if_all_joined()
        return joining

    # Rebalancing

    def _prepare(self) -> None:
        """Ask everybody to join again; a first generation waits a moment for more members."""
        is_first = self.state is GroupState.EMPTY
        self.state = GroupState.PREPARING
        for member in self.members.values():
            member.answer_sync(SyncResult(ErrorCode.rebalance_in_progress))
        if is_first and self._initial_delay > 0:
            self._gathering_until = self._loop.time() + self._longest_rebalance()
            self._gather()
        else:
            self._set_timer(self._longest_rebalance())

    def _gather(self) -> None:
        """Wait the initial delay again, but never longer than a rebalance may take."""
        self._set_timer(min(self._initial_delay, max(0.0, self._gathering_until - self._loop.time())))

    def _set_timer(self, delay: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay, self._complete)

    def _longest_rebalance(self) -> float:
        return max((member.rebalance_timeout for member in self.members.values()), default=0.0)

    def _complete_if_all_joined(self) -> None:
        if (
            self.state is GroupState.PREPARING
            and not self._gathering_until
            and all(member.joining for member in self.members.values())
        ):
            self._complete()

    def _complete(self) -> None:
        """Begin the next generation with those who came."""
        if self._timer:
            self._timer.cancel()
        self._timer, self._gathering_until = None, 0.0
        for member in list(self.members.values()):
            if not member.joining and member.instance_id is None:
                log.info("%s: member %s did not come back", self.id, member.id)
                del self.members[member.id]
        joined = [member for member in self.members.values() if member.joining]
        if self.members and not joined:
            # Only static members are left, all away: their sessions decide.
            self._set_timer(self._longest_rebalance())
            return
        self.generation += 1
        if not self.members:
            self._become_empty()
            return
        if self.leader not in {member.id for member in joined}:
            self.leader = joined[0].id
        self.protocol = self._choose_protocol()
        self.state = GroupState.COMPLETING
        self._sync_deadline = self._loop.time() + self._longest_rebalance()
        log.info("%s: generation %d with %d members", self.id, self.generation, len(self.members))
        for member in self.members.values():
            member.assignment, member.synced = b"", False
            self.touch(member)
            member.answer_join(self._joined(member))

    def _become_empty(self) -> None:
        self.state, self.leader, self.protocol = GroupState.EMPTY, "", ""
        self.empty_since = now_ms()
        log.info("%s: generation %d is empty", self.id, self.generation)
        self._changed(self)

    def _choose_protocol(self) -> str:
        """The protocol that most members like best among those that all speak."""
        common = set.intersection(*({name for name, _ in member.protocols} for member in self.members.values()))
        votes: dict[str, int] = {}
        for member in self.members.values():
            choice = next((name for name, _ in member.protocols if name in common), "")
            votes[choice] = votes.get(choice, 0) + 1
        return max(votes, key=lambda name: votes[name])

    def _joined(self, member: Member, leader: str | None = None, *, skip_assignment: bool = False) -> JoinResult:
        leads = member.id == self.leader and leader is None
        return JoinResult(
            ErrorCode.none,
            member.id,
            self.generation,
            self.protocol_type,
            self.protocol,
            leader if leader is not None else self.leader,
            tuple(
                JoinedMember(other.id, other.instance_id, other.metadata(self.protocol))
                for other in self.members.values()
            )
            if leads
            else (),
            skip_assignment,
        )

    # Assignments

    def sync(self, member: Member) -> SyncResult | asyncio.Future[SyncResult]:
        """A member asks for its assignment."""
        self.touch(member)
        if self.state is GroupState.PREPARING:
            return SyncResult(ErrorCode.rebalance_in_progress)
        member.synced = True
        if self.state is GroupState.STABLE:
            return self._synced(member)
        member.answer_sync(SyncResult(ErrorCode.rebalance_in_progress))
        member.syncing = self._loop.create_future()
        return member.syncing

    def assign(self, assignments: Mapping[str, bytes]) -> None:
        """The leader's decision; it counts from `become_stable` on, when it is written down."""
        for member in self.members.values():
            member.assignment = assignments.get(member.id, b"")

    def become_stable(self, generation: int, error: ErrorCode) -> None:
        """The assignments of a generation are written down, or could not be."""
        if self.state is not GroupState.COMPLETING or generation != self.generation:
            return
        if error is ErrorCode.none:
            self.state = GroupState.STABLE
        for member in self.members.values():
            self.touch(member)
            member.answer_sync(self._synced(member) if error is ErrorCode.none else SyncResult(error))

    def _synced(self, member: Member) -> SyncResult:
        return SyncResult(ErrorCode.none, self.protocol_type, self.protocol, member.assignment)

    # Staying and leaving

    def check(self, member_id: str, instance_id: str | None, generation: int) -> ErrorCode:
        """Whether somebody is a member of the present generation; counts as a sign of life."""
        resident = self._instance(instance_id)
        if resident and resident.id != member_id:
            return ErrorCode.fenced_instance_id
        member = self.members.get(member_id)
        if member is None:
            return ErrorCode.unknown_member_id
        if generation != self.generation:
            return ErrorCode.illegal_generation
        self.touch(member)
        return ErrorCode.none

    def leave(self, member_id: str, instance_id: str | None) -> ErrorCode:
        """A member goes; a static one may be named by its instance id alone."""
        resident = self._instance(instance_id)
        if instance_id is not None:
            if resident is None:
                return ErrorCode.unknown_member_id
            if member_id and resident.id != member_id:
                return ErrorCode.fenced_instance_id
            member_id = resident.id
        if self._promised.pop(member_id, None) is not None:
            return ErrorCode.none
        if member_id not in self.members:
            return ErrorCode.unknown_member_id
        log.info("%s: member %s leaves", self.id, member_id)
        self._remove(member_id)
        return ErrorCode.none

    def _remove(self, member_id: str) -> None:
        member = self.members.pop(member_id)
        member.answer_join(JoinResult(ErrorCode.unknown_member_id, member_id))
        member.answer_sync(SyncResult(ErrorCode.unknown_member_id))
        if self.state in (GroupState.COMPLETING, GroupState.STABLE):
            self._prepare()
        if not self.members:
            self._complete()
        else:
            self._complete_if_all_joined()

    def expire(self, now: float) -> None:
        """Remove members whose session ended, or who joined and never asked for their assignment."""
        for member_id in [member_id for member_id, until in self._promised.items() if until < now]:
            del self._promised[member_id]
        late_sync = self.state is GroupState.COMPLETING and self._sync_deadline < now
        for member in list(self.members.values()):
            silent = not member.waits and member.deadline < now
            if silent or (late_sync and not member.synced):
                log.info("%s: member %s is gone (no heartbeat)", self.id, member.id)
                self._remove(member.id)

    def extend(self, seconds: float) -> None:
        """Give all members more time: the broker itself stood still."""
        self._sync_deadline += seconds
        for member in self.members.values():
            member.deadline += seconds

    def touch(self, member: Member) -> None:
        """A sign of life."""
        member.deadline = self._loop.time() + member.session_timeout

    def _instance(self, instance_id: str | None) -> Member | None:
        if instance_id is None:
            return None
        return next((member for member in self.members.values() if member.instance_id == instance_id), None)

    # On disk

    def saved(self) -> str:
        """The group as kept on disk."""
        return json.dumps(
            {
                "generation": self.generation,
                "protocol_type": self.protocol_type,
                "protocol": self.protocol,
                "leader": self.leader,
                "empty_since": self.empty_since,
                "members": [member.saved() for member in self.members.values()],
            }
        )

    def restore(self, saved: str) -> None:
        """Take over what an earlier process knew; members carry on as if nothing had happened."""
        state = json.loads(saved)
        self.generation = state["generation"]
        self.protocol_type = state["protocol_type"]
        self.protocol = state["protocol"]
        self.leader = state["leader"]
        self.empty_since = state.get("empty_since", now_ms())
        members = [Member.restored(member, self._loop.time()) for member in state["members"]]
        self.members = {member.id: member for member in members}
        self.state = GroupState.STABLE if members else GroupState.EMPTY
