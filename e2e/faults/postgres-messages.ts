// PostgreSQL's frontend/backend protocol, version 3: as much of it as it takes to know what is asked, and when it is answered.

/** A whole message: its type (of a connection's first one, which has none, ""), and its bytes. */
export interface Message {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Cuts a stream of bytes into messages. `untyped`: how many of the first ones have no type; a client's one has none. */
export function createCutter(untyped: number): (chunk: Buffer) => Message[] {
  let rest: Buffer = Buffer.alloc(0);
  let left = untyped;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const messages: Message[] = [];
    for (;;) {
      const typed = left === 0 ? 1 : 0;
      if (rest.length < typed + 4) return messages;
      const length = typed + rest.readInt32BE(typed);
      if (rest.length < length) return messages;
      messages.push({
        type: typed === 1 ? String.fromCharCode(rest[0] ?? 0) : "",
        bytes: rest.subarray(0, length),
      });
      rest = rest.subarray(length);
      if (left > 0) left -= 1;
    }
  };
}

/** The SQL that a client's message brings: of `Query`, and of `Parse`. */
export function sqlOf({ type, bytes }: Message): string | undefined {
  if (type === "Q") return bytes.toString("utf8", 5, bytes.length - 1);
  if (type !== "P") return undefined;
  const begin = bytes.indexOf(0, 5) + 1;
  return bytes.toString("utf8", begin, bytes.indexOf(0, begin));
}

/** Whether the server has answered all that was asked. */
export function isReady({ type }: Message): boolean {
  return type === "Z";
}
