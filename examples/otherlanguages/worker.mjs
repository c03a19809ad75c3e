// A worker in JavaScript, without a package: it takes tasks from a queue by the API of a
// taskgen server, as JSON over HTTP, and reports their outcomes.
//
//	node worker.mjs http://127.0.0.1:7460 mails
//
// The environment variable TOKEN has its token. It ends when the server ends its subscription.
import { fileURLToPath } from "node:url";

export function client(base, token) {
  const request = (method, type, body) =>
    fetch(`${base}/taskgen.v1.QueueService/${method}`, {
      method: "POST",
      headers: { "Content-Type": type, Authorization: `Bearer ${token}` },
      body,
    });

  // One request, one answer. An error has the fields code and message.
  async function call(method, message) {
    const response = await request(method, "application/json", JSON.stringify(message));
    const answer = await response.json();
    if (!response.ok) throw Object.assign(new Error(`${method}: ${answer.code}: ${answer.message}`), answer);
    return answer;
  }

  // One request, many answers. Each message of a stream begins with five bytes: flags, of
  // which 2 marks the last one, and the length of its JSON.
  async function* stream(method, message) {
    const json = Buffer.from(JSON.stringify(message));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(json.length, 1);
    const response = await request(method, "application/connect+json", Buffer.concat([head, json]));
    if (!response.ok) throw new Error(`${method}: status ${response.status}: ${await response.text()}`);
    let rest = Buffer.alloc(0);
    for await (const chunk of response.body) {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
        const flags = rest[0];
        const end = 5 + rest.readUInt32BE(1);
        const answer = JSON.parse(rest.subarray(5, end));
        rest = rest.subarray(end);
        if (flags & 2) {
          if (answer.error) throw Object.assign(new Error(`${method}: ${answer.error.code}: ${answer.error.message}`), answer.error);
          return;
        }
        yield answer;
      }
    }
    throw new Error(`${method}: the stream broke off`);
  }

  return { call, stream };
}

// work runs handle for each task of a queue, some at a time, and reports its outcome: what it
// returns is the result of the task, and what it throws is why the run failed.
export async function work({ call, stream }, queue, handle, maxInFlight = 10) {
  const running = new Set();
  for await (const { deliveries } of stream("Subscribe", { queue, maxInFlight })) {
    for (const delivery of deliveries ?? []) {
      const run = one(delivery).finally(() => running.delete(run));
      running.add(run);
    }
  }
  await Promise.all(running);

  async function one({ leaseId, task, attempt }) {
    let outcome;
    try {
      const result = await handle(JSON.parse(task.payload), task, attempt ?? 1);
      outcome = ["Complete", { tasks: [{ leaseId, result: result === undefined ? "" : JSON.stringify(result) }] }];
    } catch (error) {
      outcome = ["Fail", { tasks: [{ leaseId, error: String(error?.message || error), permanent: Boolean(error?.permanent) }] }];
    }
    const { outcomes } = await call(...outcome);
    // A lost lease is no failure of this worker: the task is with another one.
    if (outcomes[0].error) console.error(`task ${task.id}: ${outcomes[0].error.code}: ${outcomes[0].error.message}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [base, queue] = process.argv.slice(2);
  await work(client(base, process.env.TOKEN ?? ""), queue, async (payload, task, attempt) => {
    console.log(`${task.type} ${JSON.stringify(payload)}, run ${attempt}`);
    if (payload.text === "fail once" && attempt === 1) throw new Error("as asked for");
  });
}
