// Runs the SQS emulators fauxqs and local-aws-sqs in one process, on loopback.
//
//	node launch.mjs [port of fauxqs] [port of local-aws-sqs]
//
// A port of 0, the default, takes a free one. When both accept connections it
// prints one line of JSON with their endpoints. It ends on SIGTERM and when its
// standard input ends, so that it never outlives the test that started it.
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { buildApp } from "fauxqs";

// fauxqs' own command listens on every interface; this one must not.
const host = "127.0.0.1";

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));

// freePort exists because local-aws-sqs takes port 0 for its default port.
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, host, () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function startFauxqs(port) {
  const app = buildApp({ logger: false });
  await app.listen({ port, host });
}

async function startLocalAwsSqs(port) {
  const { createSqsServer } = createRequire(import.meta.url)("local-aws-sqs");
  // The lifecycle it leaves out is the 60 s in which AWS refuses the name of a
  // queue that was deleted.
  await createSqsServer({ port, hostname: host, emulateQueueCreationLifecycle: false });
}

const ports = [];
for (const arg of [process.argv[2], process.argv[3]]) {
  ports.push(Number(arg ?? 0) || (await freePort()));
}
await startFauxqs(ports[0]);
await startLocalAwsSqs(ports[1]);
console.log(JSON.stringify({
  fauxqs: `http://${host}:${ports[0]}`,
  localAwsSqs: `http://${host}:${ports[1]}`,
}));
