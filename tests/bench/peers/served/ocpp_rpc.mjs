// A central system made with the package `ocpp-rpc`, which checks every payload by OCPP's schemas.

import { HANDLERS, load, serve } from "./handlers.mjs";

const { RPCServer } = load("ocpp-rpc");
const server = new RPCServer({ protocols: ["ocpp1.6"], strictMode: true, pingIntervalMs: 600_000 });
server.on("client", (client) => {
  for (const [action, handle] of Object.entries(HANDLERS)) client.handle(action, handle);
});
await serve(server.handleUpgrade);
