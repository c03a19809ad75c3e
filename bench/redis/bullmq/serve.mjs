// Does to a queue of BullMQ what lines on stdin say: node serve.mjs HOST PORT. A line is
// a verb, a number and at most one argument. It is answered by "ok NUMBER VALUE", or
// "no NUMBER REASON". A task that is handled is told as "handled DUE".
import { createInterface } from "node:readline";
import { Queue, Worker } from "bullmq";

const connection = { host: process.argv[2], port: Number(process.argv[3]) };
const queue = new Queue("contest", { connection });
let worker;

// One write for all that is said in a turn of the event loop.
let said = [];
function say(line) {
  if (said.push(line) === 1) {
    setImmediate(() => {
      process.stdout.write(said.join("\n") + "\n");
      said = [];
    });
  }
}

// The due time is text: it has more digits than a number keeps. 300 bytes of JSON.
const size = 300;
const filling = "x".repeat(size - JSON.stringify({ due: "1234567890123456789", text: "" }).length);
const opts = { removeOnComplete: true, removeOnFail: true };
const job = (due) => ({ name: "noop", data: { due, text: filling }, opts });
const now = () => `${Date.now()}000000`;

const verbs = {
  async enqueue() {
    const { name, data, opts } = job(now());
    await queue.add(name, data, opts);
  },
  async bulk(n) {
    const due = now();
    await queue.addBulk(Array.from({ length: Number(n) }, () => job(due)));
  },
  async delay(due) {
    const { name, data, opts } = job(due);
    await queue.add(name, data, { ...opts, delay: Math.max(0, Number(BigInt(due) / 1000000n) - Date.now()) });
  },
  async work(concurrency) {
    worker = new Worker("contest", async (job) => say(`handled ${job.data.due}`), { connection, concurrency: Number(concurrency) });
    worker.on("error", (err) => say(`failed ${err.message}`));
    await worker.waitUntilReady();
  },
  async stop() {
    await worker.close();
  },
  async left() {
    const counts = await queue.getJobCounts();
    return Object.values(counts).reduce((sum, n) => sum + n, 0);
  },
  async cpu() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, number, argument] = line.split(" ");
  verbs[verb](argument).then(
    (value) => say(`ok ${number} ${value ?? ""}`),
    (err) => say(`no ${number} ${err.message}`),
  );
}
await queue.close();
process.exit(0);
