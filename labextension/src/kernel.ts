/** The line to a kernel: a connection of its own, in a subshell of its own where there are such. */

import type { Kernel, KernelMessage } from '@jupyterlab/services';

import { Answer, expressionFor, readAnswer, Value } from './answer.js';
import { Requests } from './tokens.js';

/** How long a kernel may take for an answer, in ms; a first comparison loads our modules. */
const LIMIT = 30_000;
/** The same, where it waits for the cell that is running. */
const PATIENCE = 24 * 60 * 60 * 1000;
/** How long an installation may take, in ms. */
const INSTALLATION = 10 * 60 * 1000;

/**
 * Asks a kernel, and leaves no trace in it: silent, no history, no names.
 *
 * The clone has its own web socket and handles no comms, so it does not compete with the
 * notebook's widgets. In a subshell (ipykernel 7) its requests are answered beside a running
 * cell; elsewhere they wait for its end, and `waits` says so.
 */
export class Line {
  /** Opens a line; null where the kernel does not answer. */
  static async open(kernel: Kernel.IKernelConnection): Promise<Line | null> {
    const connection = kernel.clone();
    const limit = kernel.status === 'busy' ? PATIENCE : LIMIT;
    try {
      const info = await within(connection.info, limit);
      if (!info) {
        connection.dispose();
        return null;
      }
      if (connection.supportsSubshells) {
        const reply = await within(connection.requestCreateSubshell({}).done, LIMIT);
        connection.subshellId = reply?.content.subshell_id ?? null;
      }
      return new Line(connection, info.language_info.name);
    } catch {
      connection.dispose(); // it was closed meanwhile
      return null;
    }
  }

  private constructor(
    private readonly connection: Kernel.IKernelConnection,
    /** The language of the kernel, in its own spelling: `python`. */
    readonly language: string
  ) {}

  /** Whether requests wait for a running cell. */
  get waits(): boolean {
    return !this.connection.subshellId;
  }

  get isDisposed(): boolean {
    return this.connection.isDisposed;
  }

  /** Closes the line, and takes its subshell away. */
  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    const id = this.connection.subshellId;
    if (id && this.connection.connectionStatus === 'connected') {
      this.connection.requestDeleteSubshell({ subshell_id: id });
    }
    this.connection.dispose();
  }

  /** Asks for one of the answers that `envmagic.face.panel` has. */
  async ask<M extends keyof Requests>(method: M, args: object = {}): Promise<Answer<Requests[M]>> {
    const limit = this.waits ? PATIENCE : LIMIT;
    const value = await this.evaluate(expressionFor(method, args), limit);
    return isFailure(value) ? value : readAnswer(method, value);
  }

  /** Installs a version of envmagic into the kernel's environment; returns what went wrong. */
  async install(version: string): Promise<string> {
    const value = await this.evaluate(installer(version), INSTALLATION);
    if (isFailure(value) || value?.status !== 'ok') {
      return isFailure(value) ? value.kind : `${value?.ename}: ${value?.evalue}`;
    }
    const data = value.data?.['application/json'] as { code: number; said: string };
    return data.code ? data.said : '';
  }

  private async evaluate(
    expression: string,
    limit: number
  ): Promise<Value | undefined | { kind: 'silent' | 'gone' }> {
    if (this.isDisposed) {
      return { kind: 'gone' };
    }
    const future = this.connection.requestExecute({
      code: '',
      silent: true,
      store_history: false,
      allow_stdin: false,
      stop_on_error: false,
      user_expressions: { envmagic: expression }
    });
    try {
      const reply = await within(future.done as Promise<KernelMessage.IExecuteReplyMsg>, limit);
      if (!reply) {
        return { kind: 'silent' };
      }
      const content = reply.content as { user_expressions?: Record<string, unknown> };
      return content.user_expressions?.envmagic as Value | undefined;
    } catch {
      return { kind: 'gone' }; // the kernel was restarted, or the line was closed
    }
  }
}

function isFailure(value: unknown): value is { kind: 'silent' | 'gone' } {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

async function within<T>(promise: Promise<T>, limit: number): Promise<T | null> {
  let timer = 0;
  const late = new Promise<null>(resolve => {
    timer = window.setTimeout(() => resolve(null), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    window.clearTimeout(timer);
  }
}

/**
 * Returns an expression that runs pip in the kernel's own interpreter.
 *
 * envmagic is not there yet, so nothing of it can help.
 */
function installer(version: string): string {
  const argument = JSON.stringify(`envmagic==${version}`);
  return `(lambda done: (
    __import__('importlib').invalidate_caches(),
    __import__('IPython.display', fromlist=['JSON']).JSON(
      {'code': done.returncode, 'said': (done.stderr or done.stdout)[-4000:]})
  )[1])(__import__('subprocess').run(
    [__import__('sys').executable, '-m', 'pip', 'install', '--disable-pip-version-check', ${argument}],
    stdin=-3, capture_output=True, text=True, start_new_session=True))`;
}
