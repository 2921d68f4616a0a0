/** A body that no route takes, whatever the route: the bytes, the content type, and what is answered. */
export interface BadBody {
  readonly name: string;
  readonly bytes: Buffer;
  /** `application/json` unless given; null: none. */
  readonly type?: string | null;
  readonly status: number;
  readonly code: string;
}

const invalid = (name: string, body: string | Buffer): BadBody => ({
  name,
  bytes: Buffer.from(body as string),
  status: 400,
  code: "InvalidRequest",
});
const unsupported = (name: string, type: string | null, body = '{"token":"x"}'): BadBody => ({
  name,
  bytes: Buffer.from(body),
  type,
  status: 415,
  code: "UnsupportedMediaType",
});
const tooLarge = (name: string, body: string): BadBody => ({
  name,
  bytes: Buffer.from(body),
  status: 413,
  code: "BodyTooLarge",
});
/** A field of every route that has fields, with a value that JSON can hold and no field may. */
const everywhere = (json: string) =>
  `{"token":${json},"refreshToken":${json},"login":${json},"email":${json},"password":${json}}`;

export const badBodies: readonly BadBody[] = [
  invalid("not JSON", "token=x"),
  invalid("half an object", '{"token":"x"'),
  invalid("text after it", '{"token":"x"}}'),
  invalid("two values", '{"token":"x"}{"token":"y"}'),
  invalid("a trailing comma", '{"token":"x",}'),
  invalid("single quotes", "{'token':'x'}"),
  invalid("a comment", '{"token":"x"/**/}'),
  invalid("NaN", '{"token":NaN}'),
  invalid("white space", " \n\t"),
  invalid("a NUL byte alone", "\0"),
  invalid("a raw NUL byte in a text", '{"token":"a\0b"}'),
  invalid("a raw line feed in a text", '{"token":"a\nb"}'),
  invalid("a list", "[]"),
  invalid("a list of objects", '[{"token":"x"}]'),
  invalid("a text", '"token"'),
  invalid("a number", "1"),
  invalid("a number beyond all", "1e999"),
  invalid("a boolean", "false"),
  invalid("an unknown field", '{"admin":true}'),
  invalid("__proto__", '{"__proto__":{"token":"x"}}'),
  invalid("constructor", '{"constructor":{"prototype":{"isAdmin":true}}}'),
  invalid("a number in a field", everywhere("1")),
  invalid("a number beyond all in a field", everywhere("1e999")),
  invalid("null in a field", everywhere("null")),
  invalid("a list in a field", everywhere('["x"]')),
  invalid("an object in a field", everywhere('{"$ne":""}')),
  invalid("an empty text in a field", everywhere('""')),
  invalid(
    "a doubled key, the last one wrong",
    '{"token":"x","token":{},"login":"x","login":{},"email":{},"refreshToken":{}}',
  ),
  invalid("a very long text", everywhere(JSON.stringify("x".repeat(10_000)))),
  invalid("a byte order mark", '\ufeff{"token":"x"}'),
  invalid("UTF-16", Buffer.from('{"token":"x"}', "utf16le")),
  invalid("Latin-1", Buffer.from('{"token":"ä"}', "latin1")),
  invalid("an overlong NUL", Buffer.from("7b22746f6b656e223a22c080227d", "hex")),
  invalid("an encoded surrogate", Buffer.from("7b22746f6b656e223a22eda080227d", "hex")),
  invalid("deep lists", `${"[".repeat(30_000)}${"]".repeat(30_000)}`),
  invalid("deep objects", `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`),
  invalid("deep lists in a field", everywhere(`${"[".repeat(6000)}${"]".repeat(6000)}`)),
  invalid(
    "thousands of fields",
    JSON.stringify(Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`f${n}`, 1]))),
  ),
  tooLarge("64 KiB and a byte", `{"token":"${"x".repeat(64 * 1024 + 1 - 12)}"}`),
  tooLarge("a megabyte of white space", " ".repeat(1024 * 1024)),
  unsupported("no content type", null),
  unsupported("text, as a cross-site form can send it", "text/plain"),
  unsupported("a form", "application/x-www-form-urlencoded", "token=x"),
  unsupported("multipart", "multipart/form-data; boundary=x", "--x--"),
  unsupported("XML", "application/xml", "<token>x</token>"),
  unsupported("another JSON", "application/json-seq"),
  unsupported("a type that is none", "json"),
];
