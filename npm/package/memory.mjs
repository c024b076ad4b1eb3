// How documents get into the module's memory and answers out of it (npm/src/exchange.rs is the other side).
// npm-build makes memory.cjs of it.

// The numbers about an answer, in their order.
const [KIND, START, BYTES, BODY, KEY, ASCII] = [0, 1, 2, 3, 4, 5];
const SETTINGS = 2;
const ABSENT = -1;
/** A longer string is encoded first: room for the longest that it could become would be three times as much. */
const LONG = 1 << 20;
/** Different settings that are kept; a mediator has one. */
const MOST_SETTINGS = 64;

const encoder = new TextEncoder();

/**
 * The module `core` behind three calls. `platform` says how a text is written into a view of memory and read from it.
 * A text is a string or a Uint8Array; undefined is a text that is not given.
 */
function exchange(core, platform) {
  let memory; // views; both are empty once the memory has grown
  let about;
  const numbers = [new Map(), new Map(), new Map()]; // of settings, by map and text

  const look = () => {
    if (memory === undefined || memory.length === 0) {
      const { buffer } = core.linearMemory();
      memory = platform.view(buffer);
      about = new Uint32Array(buffer, core.answer(), 6);
    }
  };
  const most = (text) => (text === undefined ? 0 : typeof text === 'string' ? text.length * 3 : text.length);
  const encoded = (text) => (typeof text === 'string' && text.length > LONG ? encoder.encode(text) : text);
  const put = (text, at) => {
    if (text === undefined) return ABSENT;
    if (typeof text === 'string') return platform.write(memory, text, at);
    memory.set(text, at);
    return text.length;
  };
  const answer = () => {
    look();
    const start = about[START];
    return platform.read(memory, start, start + about[BYTES], about[ASCII] === 1);
  };
  const forget = () => numbers.forEach((known) => known.clear());

  /** After a trap (an input of gigabytes) what is left of the instance is not used any more. */
  const whole = (work) => {
    try {
      return work();
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) {
        core.__wbg_reset_state();
        memory = about = undefined;
        forget();
      }
      throw error;
    }
  };

  /** Writes up to three texts, hands their lengths on, and reads the answer. */
  const send = (call, settings, document, second, third) => {
    const given = encoded(document);
    const at = core.room(Math.min(most(given) + most(second) + most(third), 0xffffffff));
    look();
    const length = put(given, at);
    const next = put(second, at + length);
    const last = third === undefined ? ABSENT : put(third, at + length + Math.max(next, 0));
    return call(settings, length, next, last);
  };

  const prepare = (map, text) => {
    const number = whole(() => send(core.prepare, map, text));
    if (number < 0) return { problems: JSON.parse(answer()) };
    numbers[map].set(text, number);
    return { number };
  };

  return {
    /** The number of settings (JSON, or '' for the defaults), or what is wrong with them. */
    settings(map, text) {
      const number = numbers[map].get(text);
      if (number !== undefined) return { number };
      if (numbers[map].size >= MOST_SETTINGS) {
        core.forget();
        forget();
      }
      return prepare(map, text);
    },
    /** What `done` makes of the answer: whether it was mapped, its text, and where body and key end in it. */
    map(call, settings, document, second, third, done) {
      const text = whole(() => {
        send(call, settings, document, second, third);
        return answer();
      });
      return done(about[KIND] === 0, text, about[BODY], about[BODY] + about[KEY]);
    },
    outcome(issues) {
      return whole(() => {
        send((_, length) => core.operationOutcome(length), 0, issues);
        return answer();
      });
    },
  };
}

export { exchange };
