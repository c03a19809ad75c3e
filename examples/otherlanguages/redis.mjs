// Enqueues on Redis with one command: a task goes at the end of the inbox of its queue.
import { connect } from "node:net";
import { main } from "./envelope.mjs";

async function enqueue(url, envelopes) {
  const { hostname, port } = new URL(url);
  const socket = connect(port || 6379, hostname);
  let all = "";
  for (const e of envelopes) {
    const args = ["RPUSH", `{taskgen:${e.queue}}:inbox`, JSON.stringify(e)];
    all += `*${args.length}\r\n` + args.map((a) => `$${Buffer.byteLength(a)}\r\n${a}\r\n`).join("");
  }
  socket.write(all);
  // Redis answers each command with ":length" or "-error".
  let answers = "";
  for await (const chunk of socket) {
    answers += chunk;
    if (answers.split("\r\n").length > envelopes.length) break;
  }
  return answers.split("\r\n").slice(0, envelopes.length).map((line, i) => {
    if (!line.startsWith(":")) throw new Error(line || "the connection ended");
    return envelopes[i].id;
  });
}

await main(enqueue);
