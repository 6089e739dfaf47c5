#!/usr/bin/env python3
"""Prints the output of peers-bench as Markdown tables: table.py FILE.csv ...

The figures are medians, in nanoseconds (idle: bytes per connection). The best other crate of a column is
bold. The last two rows are ratios inside the run: `sansocket` to `floor`, the least code that does the
task, and to the best other crate of the column.
"""
import sys

NO_PEER = ("floor", "sansocket")
LENS = {"16384": "16 KiB", "65536": "64 KiB", "1024": "1 KiB", "1048576": "1 MiB"}


def length(n):
    return LENS.get(n, n + " B")


def cell(fields):
    """Returns table, column, contestant and figure of a line; None for a heading."""
    if len(fields) < 5 or "ns_per" in fields[4]:
        return None
    if fields[0] == "recv":
        return f"receive, {fields[1]}", length(fields[2]), fields[3], float(fields[4])
    if fields[0] == "send":
        return f"send, {fields[1].lower()}", length(fields[2]), fields[3], float(fields[4])
    if fields[0] == "handshake":
        return "handshake", f"{fields[2]} B", fields[3], float(fields[4])
    if fields[0].isdigit():
        conns = "1 connection" if fields[0] == "1" else f"{fields[0]} connections"
        column = f"{conns}, {length(fields[1])}, {fields[2]} in flight"
        return None if fields[4] == "-" else ("echo", column, fields[3], float(fields[4]))
    if len(fields) > 7 and fields[1] == "idle" and fields[3] == "plain":
        return "idle", "after one message", fields[0], float(fields[8])
    return None


def figure(value):
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}".replace(",", " ")


def main():
    tables = {}
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as lines:
            for line in lines:
                found = cell(line.strip().split(","))
                if found:
                    table, column, contestant, value = found
                    columns, rows = tables.setdefault(table, ([], {}))
                    if column not in columns:
                        columns.append(column)
                    rows.setdefault(contestant, {})[column] = value
    for table, (columns, rows) in tables.items():
        peers = [name for name in rows if not name.startswith(NO_PEER)]
        best = {c: min((rows[p][c] for p in peers if c in rows[p]), default=None) for c in columns}
        print(f"\n### {table}\n")
        print("| contestant | " + " | ".join(columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
        for name, row in rows.items():
            cells = []
            for column in columns:
                value = row.get(column)
                text = figure(value)
                is_best = name in peers and value is not None and value == best[column]
                cells.append(f"**{text}**" if is_best else text)
            print(f"| {name} | " + " | ".join(cells) + " |")
        ours = rows.get("sansocket", {})
        for title, others in (("floor", rows.get("floor", {})), ("best other crate", best)):
            ratios = [
                f"{ours[c] / others[c]:.2f}" if c in ours and others.get(c) else "-" for c in columns
            ]
            print(f"| sansocket / {title} | " + " | ".join(ratios) + " |")


if __name__ == "__main__":
    main()
