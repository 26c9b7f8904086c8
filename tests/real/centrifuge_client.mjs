// The official JavaScript client for Centrifugo under orders: one JSON object a line in, one a line out.
// Usage: node centrifuge_client.mjs FOLDER_OF_NODE_MODULES

import { createRequire } from "node:module";
import readline from "node:readline";

const require = createRequire(process.argv[2] + "/");
const { Centrifuge } = require("centrifuge");
const { WebSocket } = require("ws");

const tell = (saw, facts = {}) => process.stdout.write(JSON.stringify({ saw, ...facts }) + "\n");
const subscriptions = new Map();
let client;

function watch(channel, options) {
  const subscription = client.newSubscription(channel, options);
  subscription.on("subscribing", (about) => tell("subscribing", { channel, code: about.code }));
  subscription.on("subscribed", (about) =>
    tell("subscribed", {
      channel,
      was_recovering: about.wasRecovering,
      recovered: about.recovered,
      offset: about.streamPosition?.offset ?? null,
      epoch: about.streamPosition?.epoch ?? null,
    }),
  );
  subscription.on("unsubscribed", (about) => tell("unsubscribed", { channel, code: about.code }));
  subscription.on("publication", (about) =>
    tell("publication", { channel, data: about.data, offset: about.offset ?? 0, tags: about.tags ?? {} }),
  );
  subscription.on("error", (about) => tell("refused", { channel, code: about.error.code }));
  subscriptions.set(channel, subscription);
  return subscription;
}

async function answer(what, call) {
  try {
    tell("answer", { what, ok: true, ...(await call()) });
  } catch (error) {
    tell("answer", { what, ok: false, code: error.code ?? 0 });
  }
}

const orders = {
  connect({ url, token, tokens }) {
    const options = { websocket: WebSocket, minReconnectDelay: 50, maxReconnectDelay: 200, timeout: 3000, token };
    if (tokens) options.getToken = async () => tokens.shift();
    client = new Centrifuge(url, options);
    client.on("connecting", (about) => tell("connecting", { code: about.code }));
    client.on("connected", (about) => tell("connected", { client: about.client }));
    client.on("disconnected", (about) => tell("disconnected", { code: about.code, reason: about.reason }));
    client.on("error", (about) => tell("error", { code: about.error.code }));
    client.on("message", (about) => tell("message", { data: about.data }));
    client.connect();
  },
  subscribe({ channel, recoverable = true }) {
    const subscription =
      subscriptions.get(channel) ??
      watch(channel, {
        positioned: recoverable,
        recoverable,
        minResubscribeDelay: 50,
        maxResubscribeDelay: 200,
      });
    subscription.subscribe();
  },
  unsubscribe: ({ channel }) => subscriptions.get(channel).unsubscribe(),
  publish: ({ channel, data }) => answer("publish", () => client.publish(channel, data)),
  history: ({ channel, limit, since, reverse = false }) =>
    answer("history", async () => {
      const page = await client.history(channel, { limit, since: since ?? undefined, reverse });
      return { offsets: page.publications.map((item) => item.offset), offset: page.offset, epoch: page.epoch };
    }),
  rpc: ({ method, data }) => answer("rpc", async () => ({ data: (await client.rpc(method, data)).data })),
  disconnect: () => client.disconnect(),
};

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { order, ...facts } = JSON.parse(line);
  orders[order](facts);
});
lines.on("close", () => process.exit(0));
