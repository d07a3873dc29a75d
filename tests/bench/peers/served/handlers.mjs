// The answers of a central system that stores nothing, and the ports of one; both servers on Node use them.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createRequire } from "node:module";

// The variable PEERS has the directory in which the packages are.
export const load = createRequire(`${process.env.PEERS}/`);

const ACCEPTED = { status: "Accepted" };
let lastId = 0;

export const HANDLERS = {
  BootNotification: () => ({ status: "Accepted", interval: 300, currentTime: new Date().toISOString() }),
  StartTransaction: () => ({ transactionId: ++lastId, idTagInfo: ACCEPTED }),
  StopTransaction: () => ({ idTagInfo: ACCEPTED }),
  MeterValues: () => ({}),
  StatusNotification: () => ({}),
  Heartbeat: () => ({ currentTime: new Date().toISOString() }),
};

// Let a plain and a TLS server hand their upgrades to `upgrade`, and print their ports.
export async function serve(upgrade) {
  const [, , certificate, key] = process.argv;
  const servers = {
    ws: createServer(),
    wss: createTlsServer({ cert: readFileSync(certificate), key: readFileSync(key) }),
  };
  const ports = {};
  for (const [name, server] of Object.entries(servers)) {
    server.on("upgrade", upgrade);
    await new Promise((resolve) => server.listen(0, "127.0.0.1", 4096, resolve));
    ports[name] = server.address().port;
  }
  console.log(JSON.stringify({ ...ports, runtime: `Node ${process.versions.node}` }));
}
