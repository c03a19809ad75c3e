// Runs one SQS emulator on loopback: node launch.mjs fauxqs|local-aws-sqs PORT
import { createRequire } from "node:module";

// fauxqs' own command listens on every interface; this one must not.
const host = "127.0.0.1";

const emulators = {
  async fauxqs(port) {
    const { buildApp } = await import("fauxqs");
    // Its store is not exported. It is needed for the counts: a message whose delay
    // or lease is over counts as ready only once somebody receives. Nobody is made
    // to look more often than that, for a handle is forgotten on the way, which AWS
    // takes until the next receive.
    const { SqsStore } = await import(new URL("sqs/sqsStore.js", import.meta.resolve("fauxqs")));
    const sqsStore = new SqsStore();
    const app = buildApp({ logger: false, stores: { sqsStore } });
    app.addHook("preHandler", async (request) => {
      if (request.headers["x-amz-target"] === "AmazonSQS.GetQueueAttributes") {
        sqsStore.getQueue(request.body?.QueueUrl)?.processTimers();
      }
    });
    await app.listen({ port, host });
  },
  async "local-aws-sqs"(port) {
    const { createSqsServer } = createRequire(import.meta.url)("local-aws-sqs");
    // The lifecycle it leaves out is the 60 s in which AWS refuses the name of a
    // queue that was deleted.
    await createSqsServer({ port, hostname: host, emulateQueueCreationLifecycle: false });
  },
};

await emulators[process.argv[2]](Number(process.argv[3]));
