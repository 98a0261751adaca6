/** The table of differences: sorted, searched, filtered, and only as far drawn as it is seen. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { useVirtualizer } from '@tanstack/react-virtual';
import * as React from 'react';

import type { Actions } from './actions.js';
import { Words } from './card.js';
import { Column, KINDS, Order, selectRows, SYMBOLS } from './rows.js';
import { kindWord } from './text.js';
import { Change, Kind, Report, Requirers, UNKNOWN } from './wire.js';

/** The height of a row that is not open, in px. */
const ROW = 25;
/** How many rows are drawn beyond those that are seen. */
const OVERSCAN = 12;

interface Props {
  report: Report;
  rows: readonly Change[];
  trans: TranslationBundle;
  explain: Actions['explain'];
  openLine: Actions['openLine'];
}

export function DiffTable(props: Props): JSX.Element {
  const { rows, trans, report } = props;
  const [text, setText] = React.useState('');
  const [kinds, setKinds] = React.useState<ReadonlySet<Kind>>(new Set());
  const [order, setOrder] = React.useState<Order>({ column: 'kind', descending: false });
  const asked = React.useDeferredValue(text);
  const shown = React.useMemo(
    () => selectRows(rows, { text: asked, kinds, order }),
    [rows, asked, kinds, order]
  );
  return (
    <section className="jp-EnvMagic-diff" aria-label={trans.__('Differences')}>
      <input
        type="search"
        className="jp-EnvMagic-search jp-mod-styled"
        placeholder={trans.__('Search a project')}
        aria-label={trans.__('Search a project')}
        value={text}
        onChange={event => setText(event.target.value)}
      />
      <Filter report={report} kinds={kinds} setKinds={setKinds} trans={trans} />
      <p className="jp-EnvMagic-count" role="status">
        {trans._n('%1 project shown', '%1 projects shown', shown.length)}
      </p>
      <Rows {...props} {...{ shown, order, setOrder }} isAsked={asked !== '' || kinds.size > 0} />
    </section>
  );
}

/** The kinds of change with their counts: pressed, only these are shown. */
function Filter(props: {
  report: Report;
  kinds: ReadonlySet<Kind>;
  setKinds: (kinds: ReadonlySet<Kind>) => void;
  trans: TranslationBundle;
}): JSX.Element {
  const { report, kinds, setKinds, trans } = props;
  const there = KINDS.filter(kind => report.counts[kind] || kinds.has(kind));
  const toggle = (kind: Kind) => {
    const next = new Set(kinds);
    if (!next.delete(kind)) {
      next.add(kind);
    }
    setKinds(next);
  };
  return (
    <div className="jp-EnvMagic-filter" role="group" aria-label={trans.__('Show only')}>
      {there.map(kind => (
        <button
          key={kind}
          type="button"
          className="jp-EnvMagic-chip"
          data-kind={kind}
          aria-pressed={kinds.has(kind)}
          title={trans.__('Show only: %1', kindWord(kind, trans))}
          onClick={() => toggle(kind)}
        >
          <span aria-hidden="true">{SYMBOLS[kind]}</span> {kindWord(kind, trans)}{' '}
          <b>{report.counts[kind]}</b>
        </button>
      ))}
    </div>
  );
}

function Rows(
  props: Props & {
    shown: readonly Change[];
    /** Whether the reader has asked for something. */
    isAsked: boolean;
    order: Order;
    setOrder: (order: Order) => void;
  }
): JSX.Element {
  const { shown, trans, order, setOrder } = props;
  const scroller = React.useRef<HTMLDivElement>(null);
  const [open, setOpen] = React.useState<string | null>(null);
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    getItemKey: index => shown[index].name,
    overscan: OVERSCAN
  });
  const items = virtual.getVirtualItems();
  const above = items.length ? items[0].start : 0;
  const below = items.length ? virtual.getTotalSize() - items[items.length - 1].end : 0;
  return (
    <div className="jp-EnvMagic-scroller" ref={scroller} tabIndex={0} aria-label={trans.__('Rows')} role="region">
      <table className="jp-EnvMagic-table" aria-rowcount={shown.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <Heading column="kind" {...{ order, setOrder }} label={trans.__('Change')} />
            <Heading column="name" {...{ order, setOrder }} label={trans.__('Project')} />
            <Heading column="installed" {...{ order, setOrder }} label={trans.__('Installed')} />
            <Heading column="wanted" {...{ order, setOrder }} label={trans.__('Lock')} />
          </tr>
        </thead>
        <Spacer height={above} />
        {items.map(item => {
          const change = shown[item.index];
          return (
            <Row
              key={change.name}
              index={item.index}
              measure={virtual.measureElement}
              change={change}
              isOpen={open === change.name}
              toggle={() => setOpen(open === change.name ? null : change.name)}
              {...props}
            />
          );
        })}
        <Spacer height={below} />
      </table>
      {!shown.length && (
        <p className="jp-EnvMagic-none">
          {props.isAsked
            ? trans.__('No project is like that.')
            : trans.__('Nothing differs. Choose a kind above to see what is equal or kept.')}
        </p>
      )}
    </div>
  );
}

function Spacer({ height }: { height: number }): JSX.Element | null {
  return height > 0 ? (
    <tbody aria-hidden="true">
      <tr>
        <td colSpan={4} style={{ height, padding: 0, border: 0 }} />
      </tr>
    </tbody>
  ) : null;
}

function Heading(props: {
  column: Column;
  label: string;
  order: Order;
  setOrder: (order: Order) => void;
}): JSX.Element {
  const { column, label, order, setOrder } = props;
  const mine = order.column === column;
  const direction = order.descending ? 'descending' : 'ascending';
  return (
    <th scope="col" data-column={column} aria-sort={mine ? direction : 'none'}>
      <button
        type="button"
        onClick={() => setOrder({ column, descending: mine && !order.descending })}
      >
        <span className="jp-EnvMagic-word">{label}</span>
        <span aria-hidden="true" className="jp-EnvMagic-arrow">
          {mine ? (order.descending ? '▾' : '▴') : ''}
        </span>
      </button>
    </th>
  );
}

interface RowProps extends Props {
  change: Change;
  index: number;
  isOpen: boolean;
  toggle: () => void;
  measure: (node: Element | null) => void;
}

/** One project, and below it what there is to say of it: a body of its own, measured whole. */
function Row(props: RowProps): JSX.Element {
  const { change, index, isOpen, toggle, measure, trans } = props;
  const word = kindWord(change.kind, trans);
  return (
    <tbody ref={measure} data-index={index} data-kind={change.kind}>
      <tr aria-rowindex={index + 2}>
        <td className="jp-EnvMagic-kind">
          <span aria-hidden="true">{SYMBOLS[change.kind]}</span>{' '}
          <span className="jp-EnvMagic-word">{word}</span>
        </td>
        <th scope="row">
          <button type="button" aria-expanded={isOpen} title={change.name} onClick={toggle}>
            {change.name}
          </button>
        </th>
        <td title={change.installed ?? ''}>{change.installed ?? '–'}</td>
        <td title={change.wanted ?? ''}>{change.wanted ?? '–'}</td>
      </tr>
      {isOpen && (
        <tr aria-rowindex={index + 2}>
          <td colSpan={4}>
            <Detail {...props} />
          </td>
        </tr>
      )}
    </tbody>
  );
}

function Detail({ change, report, trans, explain, openLine }: RowProps): JSX.Element {
  /** undefined: the kernel has not answered yet; null: it cannot say. */
  const [found, setFound] = React.useState<Requirers | null>();
  React.useEffect(() => {
    let mounted = true;
    setFound(undefined);
    void explain(change.name).then(answer => mounted && setFound(answer));
    return () => {
      mounted = false;
    };
  }, [change.name, report.id]);
  const { line } = change;
  return (
    <dl className="jp-EnvMagic-detail">
      <dt>{trans.__('Why')}</dt>
      <dd>
        <Words
          text={change.note ?? (change.reason === 'lock' ? trans.__('the lock says so') : change.reason)}
        />
      </dd>
      {line && (
        <>
          <dt>{trans.__('Lock line')}</dt>
          <dd>
            <button type="button" className="jp-EnvMagic-link" onClick={() => openLine(line)}>
              {line}
            </button>
          </dd>
        </>
      )}
      {change.loaded && (
        <>
          <dt>{trans.__('Loaded')}</dt>
          <dd>
            {change.loaded === UNKNOWN
              ? trans.__('a version that is not known is in the memory of this kernel')
              : trans.__('%1 is in the memory of this kernel', change.loaded)}
          </dd>
        </>
      )}
      <dt>{trans.__('Required by')}</dt>
      <dd>
        {found === undefined && '…'}
        {found === null && trans.__('not known')}
        {found?.requirers.map((text, index) => (
          <div key={index}>
            <Words text={text} />
          </div>
        ))}
        {found?.requirers.length === 0 && trans.__('nothing that is installed')}
        {!!found?.rest && trans._n('and %1 more', 'and %1 more', found.rest)}
      </dd>
    </dl>
  );
}
