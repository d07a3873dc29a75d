// A central system made with the package `ocpp-ws-io`, which checks every payload by OCPP's schemas.

import { HANDLERS, load, serve } from "./handlers.mjs";

const { OCPPServer } = load("ocpp-ws-io");
const server = new OCPPServer({
  protocols: ["ocpp1.6"],
  strictMode: true,
  logging: false,
  pingIntervalMs: 600_000,
  connectionRateLimit: { limit: 1_000_000, windowMs: 1000 },
});
server.auth((context) => context.accept());
server.on("client", (client) => {
  for (const [action, handle] of Object.entries(HANDLERS)) client.handle("ocpp1.6", action, handle);
});
await serve(server.handleUpgrade);
