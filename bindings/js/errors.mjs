// What the loader throws.

/** What went wrong: `code` is one of the codes of the type ErrorCode, and stable; `message` is for people. */
export class ModelError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = "ModelError";
    this.code = code;
  }
}
