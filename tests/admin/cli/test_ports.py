import socket
from contextlib import closing
from typing import ClassVar

import pytest
import trio

from admin.cli import children
from admin.cli.children import HeldPorts
from admin.cli.ports import HeldPort, PortOccupied


def listener(port: int, option: int = socket.SO_REUSEPORT) -> socket.socket:
    ours = socket.socket()
    ours.setsockopt(socket.SOL_SOCKET, option, 1)
    ours.bind(("127.0.0.1", port))
    ours.listen()
    return ours


def test_clients_of_a_reserved_port_reach_listening_sockets_and_never_the_socket_that_reserves_it() -> None:
    with (
        closing(HeldPort("127.0.0.1", 0, "ws")) as held,
        listener(held.port) as one,
        listener(held.port) as two,
    ):
        one.setblocking(False)
        two.setblocking(False)
        clients = [socket.create_connection(("127.0.0.1", held.port), 2) for _ in range(40)]
        accepted = 0
        for server in (one, two):
            while True:
                try:
                    server.accept()[0].close()
                except BlockingIOError:
                    break
                accepted += 1
        for client in clients:
            client.close()
    assert accepted == 40


@pytest.mark.parametrize("option", [socket.SO_REUSEPORT, socket.SO_REUSEADDR])
def test_a_reserved_port_can_be_listened_on_several_times_and_refuses_clients_while_nobody_listens(
    option: int,
) -> None:
    with closing(HeldPort("127.0.0.1", 0, "admin")) as held:
        for _ in range(3):
            listener(held.port, option).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", held.port), 2)


@pytest.mark.parametrize("option", [socket.SO_REUSEPORT, socket.SO_REUSEADDR])
def test_a_port_on_which_another_process_listens_is_not_reserved_even_if_that_process_shares_the_port(
    option: int,
) -> None:
    with listener(0, option) as somebody:
        port = somebody.getsockname()[1]
        with pytest.raises(PortOccupied, match=f"port {port} for wss is occupied"):
            HeldPort("127.0.0.1", port, "wss")


def test_all_ports_that_csms_up_reserves_are_different_and_are_free_again_after_their_release() -> None:
    with closing(HeldPorts(0, 3)) as held:
        ports = [held.ws, held.wss, held.admin, held.admin_health, *held.gateway_health]
        assert len(set(ports)) == 7
    for port in ports:
        listener(port, socket.SO_REUSEADDR).close()


class Imagined:
    """A stand-in for HeldPort that does not depend on which ports of this machine are in use."""

    occupied: int | None = None
    held: ClassVar[list[int]] = []

    def __init__(self, _host: str, port: int, purpose: str) -> None:
        if port == self.occupied:
            raise PortOccupied(f"{port} {purpose}")
        self.port = port
        self.held.append(port)

    def close(self) -> None:
        self.held.remove(self.port)


def _probes(held: HeldPorts) -> list[int]:
    first, *others = held.gateway_health
    return [first, held.admin_health, *others]


@pytest.mark.parametrize(
    ("first", "ports"),
    [
        (None, [8180, 8443, 8080, 9180, 9181, 9182]),
        (9000, [9000, 9001, 9002, 9003, 9004, 9005]),
    ],
)
def test_csms_up_uses_consecutive_port_numbers_that_begin_with_the_given_first_port(
    first: int | None, ports: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "HeldPort", Imagined)
    with closing(HeldPorts(first, 2)) as held:
        assert [held.ws, held.wss, held.admin, *_probes(held)] == ports
        assert Imagined.held == ports
    assert Imagined.held == []


def test_ports_that_are_already_reserved_are_released_if_a_further_port_is_occupied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(children, "HeldPort", Imagined)
    monkeypatch.setattr(Imagined, "occupied", 9004)
    with pytest.raises(PortOccupied, match="9004 probes of the admin process"):
        HeldPorts(9000, 2)
    assert Imagined.held == []


async def test_a_trio_listener_for_health_probes_can_listen_on_a_reserved_port() -> None:
    """Trio's own function opens the listener, as in the module gateway.service.health."""
    with closing(HeldPort("127.0.0.1", 0, "probes")) as held:
        listeners = await trio.open_tcp_listeners(held.port, host="127.0.0.1")
        for each in listeners:
            await each.aclose()
