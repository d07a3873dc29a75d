import socket
from contextlib import closing

import pytest
import trio

from admin.cli.children import HeldPorts, Ports
from admin.cli.ports import HeldPort, PortOccupied


def listener(port: int, option: int = socket.SO_REUSEPORT) -> socket.socket:
    ours = socket.socket()
    ours.setsockopt(socket.SOL_SOCKET, option, 1)
    ours.bind(("127.0.0.1", port))
    ours.listen()
    return ours


def test_connections_reach_those_who_listen_and_never_the_one_who_holds() -> None:
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
def test_a_child_can_listen_again_and_again(option: int) -> None:
    with closing(HeldPort("127.0.0.1", 0, "admin")) as held:
        for _ in range(3):
            listener(held.port, option).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", held.port), 2)


@pytest.mark.parametrize("option", [socket.SO_REUSEPORT, socket.SO_REUSEADDR])
def test_an_occupied_port_is_named_even_if_it_could_be_shared(option: int) -> None:
    with listener(0, option) as somebody:
        port = somebody.getsockname()[1]
        with pytest.raises(PortOccupied, match=f"port {port} for wss is occupied"):
            HeldPort("127.0.0.1", port, "wss")


def test_all_ports_of_a_start_differ_and_are_let_go() -> None:
    with closing(HeldPorts(Ports(ws=0, wss=0, admin=0, health=0), 3)) as held:
        ports = [held.ws, held.wss, held.admin, held.admin_health, *held.gateway_health]
        assert len(set(ports)) == 7
    for port in ports:
        listener(port, socket.SO_REUSEADDR).close()


async def test_probes_listen_on_a_held_port() -> None:
    """As gateway.service.health does, with trio's own listeners."""
    with closing(HeldPort("127.0.0.1", 0, "probes")) as held:
        listeners = await trio.open_tcp_listeners(held.port, host="127.0.0.1")
        for each in listeners:
            await each.aclose()
