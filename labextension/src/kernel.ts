/** The line to a kernel: a connection of its own, in a subshell of its own where there are such. */

import { Kernel, KernelMessage } from '@jupyterlab/services';

import { Answer, expressionFor, maskSecrets, readAnswer, Value } from './answer.js';
import { Cells } from './cells.js';
import { Requests } from './wire.js';

/** How long a kernel may take for an answer, in ms; a first comparison loads our modules. */
const LIMIT = 30_000;
/** How long it may take for what it does beside a running cell, in ms. */
const SOON = 3_000;
/** How long an installation may take, in ms. */
const INSTALLATION = 10 * 60 * 1000;
/** How long to wait after a cell has failed, which takes all that waited for its end with it. */
const PAUSE = 100;
/** How often a question is put again that one failing cell after another took with it. */
const ATTEMPTS = 20;

/** What pip has said, and where. */
interface Installation {
  code: number;
  said: string;
  executable: string;
}

/** Why there is no value. */
export interface Failure {
  kind: 'silent' | 'gone';
}

/**
 * Asks a kernel, and leaves no trace in it: silent, no history, no names.
 *
 * The clone has its own web socket and handles no comms, so it does not compete with the
 * notebook's widgets. In a subshell (ipykernel 7) its requests are answered beside a running
 * cell; elsewhere they wait for its end, and `mustWait` says so.
 */
export class Line {
  constructor(private readonly kernel: Kernel.IKernelConnection) {
    this.connection = kernel.clone();
    this.cells = new Cells(kernel, this.connection.clientId);
  }

  /** Whether an answer has to wait for the end of a running cell. */
  get mustWait(): boolean {
    return !this.connection.subshellId && this.cells.run;
  }

  /** Whether it leads nowhere any more: only the document's own connection is made anew. */
  get isLost(): boolean {
    return this.connection.connectionStatus === 'disconnected';
  }

  /** Opens it, also beside a running cell; returns the kernel's language; null: it is silent. */
  async open(): Promise<string | null> {
    try {
      const language = await this.findLanguage();
      await this.openSubshell();
      return language;
    } catch {
      return null; // it was closed meanwhile
    }
  }

  /** Closes the line, and takes its subshell away. */
  dispose(): void {
    this.cells.dispose();
    const { connection } = this;
    const id = connection.subshellId;
    if (id && !connection.isDisposed) {
      // With one, its disposal waits for an answer that a dead kernel never gives.
      connection.subshellId = null;
      if (connection.connectionStatus === 'connected' && this.kernel.status !== 'dead') {
        const future = this.control('delete_subshell_request', { subshell_id: id });
        future.done.catch(() => undefined);
      }
    }
    connection.dispose();
  }

  /** Asks for one of the answers that `envmagic.face.panel` has. */
  async ask<M extends keyof Requests>(method: M, args: object = {}): Promise<Answer<Requests[M]>> {
    const value = await this.evaluate(expressionFor(method, args), LIMIT);
    return isFailure(value) ? value : readAnswer(method, value);
  }

  /** Installs a version of envmagic into the kernel's environment; returns pip's complaint. */
  async install(version: string): Promise<string | Failure> {
    const value = await this.evaluate(installer(version), INSTALLATION);
    if (isFailure(value)) {
      return value;
    }
    const done = value?.data?.['application/json'] as Installation | undefined;
    if (!done) {
      return maskSecrets(`${value?.ename}: ${value?.evalue}`);
    }
    const command = `$ ${done.executable} -m pip install envmagic==${version}`;
    return done.code ? `${maskSecrets(done.said)}\n${command}` : '';
  }

  /** Returns the language of the kernel: its own word, or that of its specification. */
  private async findLanguage(): Promise<string | null> {
    const { kernel } = this;
    // A cell that runs keeps a kernel from telling of itself, unless it has already.
    const limit = { idle: LIMIT, busy: 0 }[kernel.status as string] ?? SOON;
    const info = await within(kernel.info, limit);
    const language = info?.language_info.name ?? (await within(kernel.spec, LIMIT))?.language;
    return language?.toLowerCase() ?? null;
  }

  private async openSubshell(): Promise<void> {
    const { connection, kernel } = this;
    if (!('supportsSubshells' in kernel)) {
      return; // JupyterLab before 4.4 knows of none
    }
    const lacking = kernel.info.then(() => kernel.supportsSubshells ? new Promise<never>(() => undefined) : null);
    if ((await within(lacking, 0, 'unknown')) === null) {
      return;
    }
    await connected(connection);
    // `requestCreateSubshell` wants an answer of the main shell first: not beside a running cell.
    const future = this.control('create_subshell_request', {});
    const created = new Promise<void>((resolve, reject) => {
      future.onReply = ({ content }) => {
        // One that comes late is used from then on.
        connection.subshellId = (content as { subshell_id?: string }).subshell_id ?? null;
        resolve();
      };
      future.done.catch(reject);
    });
    await within(Promise.race([created, lacking]), kernel.status === 'unknown' ? LIMIT : SOON);
  }

  private control(
    msgType: 'create_subshell_request' | 'delete_subshell_request',
    content: KernelMessage.IDeleteSubshellRequestMsg['content'] | object
  ): Kernel.IControlFuture {
    const { username, clientId: session } = this.connection;
    const options = { msgType, content, username, session, channel: 'control' };
    const message = KernelMessage.createMessage(
      options as KernelMessage.IOptions<KernelMessage.ICreateSubshellRequestMsg>
    );
    return this.connection.sendControlMessage(message, true);
  }

  private async evaluate(expression: string, limit: number): Promise<Value | undefined | Failure> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (this.connection.isDisposed) {
        return { kind: 'gone' };
      }
      // Where it waits: a subshell may come to be there meanwhile.
      const inMainShell = !this.connection.subshellId;
      try {
        const future = this.connection.requestExecute({
          code: '',
          silent: true,
          store_history: false,
          allow_stdin: false,
          stop_on_error: false,
          user_expressions: { envmagic: expression }
        });
        const content = (await replyTo(future, limit, () => inMainShell && this.cells.run))?.content;
        if (!content) {
          return { kind: 'silent' };
        }
        if ((content.status as string) !== 'aborted') {
          return 'user_expressions' in content
            ? (content.user_expressions.envmagic as unknown as Value | undefined)
            : undefined;
        }
        // It waited for a cell that failed, and was not looked at.
        await new Promise(resolve => window.setTimeout(resolve, PAUSE));
      } catch {
        return { kind: 'gone' }; // the kernel was restarted, or the line was closed
      }
    }
    return { kind: 'silent' };
  }

  readonly cells: Cells;
  private readonly connection: Kernel.IKernelConnection;
}

function isFailure(value: unknown): value is Failure {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

/** Waits until a connection can be used at once; rejects where it is closed meanwhile. */
async function connected(connection: Kernel.IKernelConnection): Promise<void> {
  const open = new Promise<void>((resolve, reject) => {
    const look = () => {
      if (connection.connectionStatus === 'connected') {
        resolve();
      }
    };
    connection.connectionStatusChanged.connect(look);
    connection.disposed.connect(() => reject(new Error('closed')));
    look();
  });
  await within(open, LIMIT);
}

/** Returns the reply to a message; null: there is none in time, and nothing excuses that. */
async function replyTo<M extends KernelMessage.IMessage>(
  future: { onReply: (message: M) => void; done: Promise<unknown>; dispose: () => void },
  limit: number,
  isExcused = () => false
): Promise<M | null> {
  const reply = new Promise<M>((resolve, reject) => {
    future.onReply = resolve;
    future.done.catch(reject);
  });
  try {
    for (;;) {
      const found = await within(reply, limit);
      if (found || !isExcused()) {
        return found;
      }
    }
  } finally {
    future.dispose();
  }
}

async function within<T, L = null>(promise: Promise<T>, limit: number, late?: L): Promise<T | L> {
  let timer = 0;
  const lateness = new Promise<L>(resolve => {
    timer = window.setTimeout(() => resolve((late ?? null) as L), limit);
  });
  try {
    return await Promise.race([promise, lateness]);
  } finally {
    window.clearTimeout(timer);
  }
}

/**
 * Returns an expression that runs pip in the kernel's own interpreter.
 *
 * envmagic is not there yet, so nothing of it can help. pip writes into a file: it would die of a
 * pipe whose kernel has ended, half-way through what it puts in.
 */
function installer(version: string): string {
  const argument = JSON.stringify(`envmagic==${version}`);
  return `(lambda said: (lambda done: (
    __import__('importlib').invalidate_caches(),
    said.seek(0),
    __import__('IPython.display', fromlist=['JSON']).JSON(
      {'code': done.returncode, 'said': said.read().decode('utf-8', 'replace')[-4000:],
       'executable': __import__('sys').executable})
  )[2])(__import__('subprocess').run(
    [__import__('sys').executable, '-m', 'pip', 'install', '--quiet',
     '--disable-pip-version-check', ${argument}],
    stdin=-3, stdout=said, stderr=-2, start_new_session=True))
  )(__import__('tempfile').TemporaryFile())`;
}
