// `ocpp-ws-io` imports these, and calls none of them, because ocpp_ws_io.mjs turns its log off.
exports.createLogger = exports.consoleTransport = exports.prettyTransport = () => {
  throw new Error("the benchmark logs nothing");
};
