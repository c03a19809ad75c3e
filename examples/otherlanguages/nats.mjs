// Enqueues on NATS JetStream, whose protocol is lines of text.
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { main, types } from "./envelope.mjs";

// token makes any text one token of a subject.
function token(text) {
  if (!text) return "-";
  const escaped = [...Buffer.from(text)].map((c) => {
    const char = String.fromCharCode(c);
    return text !== "-" && /[A-Za-z0-9_-]/.test(char) ? char : "=" + c.toString(16).padStart(2, "0");
  }).join("");
  return escaped.length <= 120 ? escaped : "~" + createHash("sha256").update(text).digest("hex");
}

// message is the subject of an envelope, and the headers.
function message(e) {
  const root = `taskgen.${token(e.queue)}`;
  if (e.unique_for_ms) return [`${root}.new`, {}]; // a worker enqueues it
  const fifo = types[e.queue] === "fifo";
  const group = token(fifo ? e.group_key : ""), key = token(e.unique_key);
  const tail = `${group}.${key}.${token(e.id)}`;
  const rivals = e.unique_key ? `${fifo ? "*" : group}.${key}.*` : tail;
  const headers = {
    "Nats-Expected-Last-Subject-Sequence": 0,
    "Nats-Expected-Last-Subject-Sequence-Subject": `${root}.*.*.*.${rivals}`,
  };
  const due = `${root}.${fifo ? "d.j.0" : `q.r.${e.priority ?? 0}`}.${tail}`;
  if (!(Date.parse(e.scheduled_for) > Date.now())) return [due, headers];
  headers["Nats-Schedule"] = `@at ${e.scheduled_for}`;
  headers["Nats-Schedule-Target"] = due;
  return [`${root}.d.s.${fifo ? 0 : e.priority ?? 0}.${tail}`, headers];
}

async function enqueue(url, envelopes) {
  const { hostname, port } = new URL(url);
  const socket = connect(port || 4222, hostname);
  const lines = `CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB _INBOX.answers.${process.pid} 1\r\n`;
  socket.write(lines);
  const ids = [];
  let rest = Buffer.alloc(0);
  const send = (e) => {
    const [subject, headers] = message(e);
    const head = "NATS/1.0\r\n" + Object.entries(headers).map(([k, v]) => `${k}: ${v}\r\n`).join("") + "\r\n";
    const body = JSON.stringify(e);
    socket.write(`HPUB ${subject} _INBOX.answers.${process.pid} ${head.length} ${head.length + Buffer.byteLength(body)}\r\n${head}${body}\r\n`);
  };
  send(envelopes[0]);
  for await (const chunk of socket) {
    rest = Buffer.concat([rest, chunk]);
    for (let end; (end = rest.indexOf("\r\n")) >= 0; ) {
      const line = rest.subarray(0, end).toString();
      const size = /^H?MSG/.test(line) ? Number(line.split(" ").at(-1)) + 2 : 0;
      if (rest.length < end + 2 + size) break;
      const payload = rest.subarray(end + 2, end + 2 + size).toString();
      rest = rest.subarray(end + 2 + size);
      if (line === "PING") socket.write("PONG\r\n");
      if (line.startsWith("-ERR")) throw new Error(line);
      if (line.startsWith("HMSG")) throw new Error("no stream has the subject: open the queue once");
      if (!line.startsWith("MSG")) continue;
      const { error } = JSON.parse(payload);
      if (error && error.err_code !== 10071) throw new Error(error.description);
      ids.push(error ? "duplicate" : envelopes[ids.length].id);
      if (ids.length === envelopes.length) return ids;
      send(envelopes[ids.length]); // one after the other keeps the order of groups
    }
  }
  throw new Error("the connection ended");
}

await main(enqueue);
