// A small central system made with the package `ocpp-rpc`, which checks every payload by OCPP's schemas.
// It does what ocpp_package.py does. The variable OCPP_RPC has the directory in which the package is.

import { createRequire } from "node:module";

const { RPCServer } = createRequire(`${process.env.OCPP_RPC}/`)("ocpp-rpc");

const ACCEPTED = { status: "Accepted" };
const COMMANDS = [
  ["GetConfiguration", {}],
  ["GetConfiguration", { key: ["HeartbeatInterval", "Other"] }],
  ["ChangeConfiguration", { key: "MinimumStatusDuration", value: "1" }],
  ["GetLocalListVersion", {}],
  ["SendLocalList", { listVersion: 1, updateType: "Full", localAuthorizationList: [] }],
  ["ClearCache", {}],
  ["GetCompositeSchedule", { connectorId: 1, duration: 60 }],
  ["ClearChargingProfile", {}],
  ["CancelReservation", { reservationId: 1 }],
  ["UnlockConnector", { connectorId: 2 }],
  ["DataTransfer", { vendorId: "else", data: "1" }],
  ["GetDiagnostics", { location: "ftp://127.0.0.1/diagnostics" }],
  ["TriggerMessage", { requestedMessage: "Heartbeat" }],
  ["TriggerMessage", { requestedMessage: "MeterValues", connectorId: 1 }],
  ["TriggerMessage", { requestedMessage: "StatusNotification", connectorId: 1 }],
];

const calls = {}, answered = {}, problems = [], open = new Set();
let lastId = 0;

const HANDLERS = {
  BootNotification: () => ({ status: "Accepted", interval: 300, currentTime: new Date().toISOString() }),
  Authorize: () => ({ idTagInfo: ACCEPTED }),
  StartTransaction: () => {
    open.add(++lastId);
    return { transactionId: lastId, idTagInfo: ACCEPTED };
  },
  StopTransaction: ({ params }) => {
    open.delete(params.transactionId);
    return { idTagInfo: ACCEPTED };
  },
  MeterValues: () => ({}),
  StatusNotification: () => ({}),
  Heartbeat: () => ({ currentTime: new Date().toISOString() }),
  DataTransfer: () => ACCEPTED,
  DiagnosticsStatusNotification: () => ({}),
};

async function command(client, connection) {
  for (const [action, payload] of COMMANDS) {
    try {
      await client.call(action, payload);
      answered[action] = (answered[action] ?? 0) + 1;
    } catch (error) {
      if (connection.lost) return;
      problems.push(`${action}: ${error}`);
    }
  }
}

const server = new RPCServer({ protocols: ["ocpp1.6"], strictMode: true });
server.on("client", (client) => {
  const connection = { lost: false, booted: false };
  const fleet = (calls[client.identity.replace(/[0-9]+$/, "")] ??= {});
  client.on("disconnect", () => { connection.lost = true; });
  client.on("badMessage", ({ error }) => problems.push(`a bad message: ${error}`));
  client.on("strictValidationFailure", ({ method, error }) => {
    problems.push(`${method}: ${error} ${JSON.stringify(error.details)}`);
  });
  for (const [action, handle] of Object.entries(HANDLERS)) {
    client.handle(action, (request) => {
      fleet[action] = (fleet[action] ?? 0) + 1;
      if (action === "BootNotification" && !connection.booted) {
        connection.booted = true;
        setImmediate(command, client, connection);
      }
      return handle(request);
    });
  }
});

const listening = await server.listen(0, "127.0.0.1");
console.log(JSON.stringify({ url: `ws://127.0.0.1:${listening.address().port}/ocpp/{id}` }));
process.stdin.resume();
process.stdin.on("end", () => {
  console.log(JSON.stringify({ calls, open: open.size, answered, problems }));
  process.exit(0);
});
