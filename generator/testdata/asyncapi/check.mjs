// usage: node check.mjs FILE
// Prints what the parser of AsyncAPI says about a document, and its parts.
import { readFileSync } from "node:fs";
import parser from "@asyncapi/parser";

const { document, diagnostics } = await new parser.Parser().parse(readFileSync(process.argv[2], "utf8"));
for (const d of diagnostics) {
	if (d.severity === 0) console.log(`error: ${d.path.join(".")}: ${d.message}`);
}
if (document) {
	console.log(`version ${document.version()}`);
	for (const o of document.operations().all()) {
		console.log([o.action(), o.channels().all().map((c) => c.address()), o.messages().all().map((m) => m.name())].join(" "));
	}
}
