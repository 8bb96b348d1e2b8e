import { deepStrictEqual } from "node:assert/strict";
import { namesInListing } from "./listing.ts";

const base = new URL("https://files.lab/dumps/");

Deno.test("namesInListing() reads the links of a web server's page, and none that lead elsewhere", () => {
  const page = `<html><a href="?C=N;O=D">Name</a> <a href="/">Parent</a> <a href="../x.age">up</a>
<A HREF='a%20b.tar.gz'>a b</A> <a class="f" href="./c.age">c</a> <a href="https://files.lab/dumps/d&amp;e.age">d</a>
<a href="https://other.lab/dumps/f.age">f</a> <a href="sub/">sub/</a> <a href="c.age">c</a> <a href="http://[">broken</a>`;
  deepStrictEqual(namesInListing(page, base), { names: ["a b.tar.gz", "c.age", "d&e.age"], isTruncated: false });
});

Deno.test("namesInListing() reads nginx's JSON and plain arrays of names", () => {
  const json = `[{"name":"a.age","type":"file"},{"name":"../b","type":"file"},"c.age",7,null]`;
  deepStrictEqual(namesInListing(json, base).names, ["a.age", "c.age"]);
  deepStrictEqual(namesInListing("[broken", base).names, []);
});

Deno.test("namesInListing() reads the keys of a bucket and whether there are more", () => {
  const xml = `<?xml version="1.0"?><ListBucketResult xmlns="x"><IsTruncated>true</IsTruncated>
<Contents><Key>k3s-A.tar.gz</Key></Contents><Contents><Key>k3s-B&amp;C.tar.gz</Key></Contents></ListBucketResult>`;
  deepStrictEqual(namesInListing(xml, base), { names: ["k3s-A.tar.gz", "k3s-B&C.tar.gz"], isTruncated: true });
});
