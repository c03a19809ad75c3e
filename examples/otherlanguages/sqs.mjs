// Enqueues on SQS by its JSON protocol. It signs nothing, which an emulator takes: for
// AWS send the same with its SDK (SendMessageCommand).
import { createHash } from "node:crypto";
import { main, types } from "./envelope.mjs";

const maxDelay = 15 * 60; // seconds, of SQS

async function call(endpoint, operation, request) {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: {
      "Content-Type": "application/x-amz-json-1.0",
      "X-Amz-Target": `AmazonSQS.${operation}`,
      Authorization: "AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=none",
    },
    body: JSON.stringify(request),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${operation}: ${answer.__type}: ${answer.message}`);
  return answer;
}

// message is the SQS queue and the request for an envelope.
function message(e) {
  const delay = e.scheduled_for ? Math.ceil((Date.parse(e.scheduled_for) - Date.now()) / 1000) : 0;
  const delayed = { MessageBody: JSON.stringify(e), DelaySeconds: Math.min(Math.max(delay, 0), maxDelay) };
  switch (types[e.queue]) {
    case "priority":
      return [`${e.queue}--p${e.priority ?? 0}`, delayed];
    case "fifo":
      if (delay > 0) return [`${e.queue}--later`, delayed];
      return [`${e.queue}.fifo`, {
        MessageBody: JSON.stringify(e),
        MessageGroupId: /^[!-~]{1,128}$/.test(e.group_key ?? "") ? e.group_key : createHash("sha256").update(e.group_key ?? "").digest("base64url"),
        MessageDeduplicationId: e.id,
      }];
    default:
      return [e.queue, delayed];
  }
}

async function enqueue(endpoint, envelopes) {
  const ids = [];
  for (const e of envelopes) {
    if (e.unique_key) throw new Error("SQS keeps no unique keys");
    const [name, request] = message(e);
    const { QueueUrl } = await call(endpoint, "GetQueueUrl", { QueueName: name });
    await call(endpoint, "SendMessage", { QueueUrl, ...request });
    ids.push(e.id);
  }
  return ids;
}

await main(enqueue);
