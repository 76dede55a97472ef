// Read a store with zarrita: run by `benchmarks.readers`. For each array one line of JSON, as read_with.py prints.
// Usage: node read_with.mjs STORE, a folder or an archive, which is a zip file
import { createHash } from "node:crypto";
import { openAsBlob, statSync } from "node:fs";
import { resolve } from "node:path";
import { FileSystemStore, ZipFileStore } from "@zarrita/storage";
import * as zarr from "zarrita";

// The values in C order, wherever the chunk's own order has put them.
function describe({ data, shape, stride }) {
  const values = [];
  const walk = (axis, at) => {
    if (axis === shape.length) values.push(data.get ? data.get(at) : data[at]);
    else for (let i = 0; i < shape[axis]; i++) walk(axis + 1, at + i * stride[axis]);
  };
  walk(0, 0);
  const kind = data.constructor.name;
  if (typeof values[0] === "string") {
    const text = JSON.stringify(values).replaceAll('","', '", "');
    return { dtype: "string", shape, sha256: createHash("sha256").update(text).digest("hex") };
  }
  const out = kind === "BoolArray" ? new Uint8Array(values.map(Number)) : new data.constructor(values);
  const sha256 = createHash("sha256").update(new Uint8Array(out.buffer)).digest("hex");
  return { dtype: kind === "BoolArray" ? "bool" : kind.replace("Array", "").toLowerCase(), shape, sha256 };
}

const place = resolve(process.argv[2]);
const folder = statSync(place).isDirectory();
const store = folder ? new FileSystemStore(place) : ZipFileStore.fromBlob(await openAsBlob(place));
const metadata = JSON.parse(new TextDecoder().decode(await store.get("/zarr.json")));
for (const name of Object.keys(metadata.consolidated_metadata.metadata).sort()) {
  let said;
  try {
    const array = await zarr.open.v3(zarr.root(store).resolve(name), { kind: "array" });
    said = describe(await zarr.get(array));
  } catch (error) {
    said = { error: `${error.name}: ${error.message}` };
  }
  console.log(JSON.stringify({ array: name, ...said }));
}
