// Envelopes, as docs/envelope.md describes them.
import { randomUUID } from "node:crypto";

// types are the types of the queues that are not standard, as their Go annotations say.
export const types = { alerts: "priority", orders: "fifo" };

// envelope completes a task that has type, queue and payload. What may stand beside
// these: priority, group_key, unique_key, unique_for_ms, scheduled_for, max_retries,
// timeout_ms, metadata.
export function envelope(task) {
  return { v: 1, id: randomUUID(), created_at: new Date().toISOString(), ...task };
}

// main reads a JSON array of tasks on standard input, and enqueues them on the broker
// that the first argument names. It prints a line for each: its ID, or "duplicate".
export async function main(enqueue) {
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  for (const answer of await enqueue(process.argv[2], JSON.parse(text).map(envelope))) console.log(answer);
}
