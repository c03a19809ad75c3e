// Runs one SQS emulator on loopback: node launch.mjs fauxqs|local-aws-sqs PORT
import { createRequire } from "node:module";

// fauxqs' own command listens on every interface; this one must not.
const host = "127.0.0.1";

const emulators = {
  async fauxqs(port) {
    const { buildApp } = await import("fauxqs");
    await buildApp({ logger: false }).listen({ port, host });
  },
  async "local-aws-sqs"(port) {
    const { createSqsServer } = createRequire(import.meta.url)("local-aws-sqs");
    // The lifecycle it leaves out is the 60 s in which AWS refuses the name of a
    // queue that was deleted.
    await createSqsServer({ port, hostname: host, emulateQueueCreationLifecycle: false });
  },
};

await emulators[process.argv[2]](Number(process.argv[3]));
