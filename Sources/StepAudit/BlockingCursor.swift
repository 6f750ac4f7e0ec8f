/// Reads rows of a store in slices of bounded size, each in a read transaction of its own of well under a second.
///
/// A cursor blocks on the disk: use it where a thread may wait, such as the main thread of a command line tool. From
/// `async` code iterate ``StoredRows`` instead.
public protocol BlockingCursor<Element>: Sendable {
    /// What is read.
    associatedtype Element: Sendable

    /// Reads the next rows; none at the end. It blocks on the disk.
    ///
    /// - Returns: the rows; empty at the end.
    /// - Throws: `StoreError` when the store is damaged or can't be read.
    mutating func nextSlice() throws -> [Element]
}

/// Rows of a store, read slice by slice as they are asked for, so that memory stays bounded.
public struct StoredRows<Cursor: BlockingCursor>: AsyncSequence, Sendable {
    /// What is read.
    public typealias Element = Cursor.Element

    private let cursor: Cursor

    init(_ cursor: Cursor) { self.cursor = cursor }

    /// A cursor at the beginning, for callers that may block.
    ///
    /// - Returns: the cursor.
    public func makeCursor() -> Cursor { cursor }

    /// An iterator at the beginning. The disk is waited for on a thread of its own.
    ///
    /// - Returns: the iterator.
    public func makeAsyncIterator() -> Iterator { Iterator(cursor: cursor) }

    /// Reads one row after the other.
    public struct Iterator: AsyncIteratorProtocol {
        private var cursor: Cursor
        private var slice: ArraySlice<Cursor.Element> = []

        init(cursor: Cursor) { self.cursor = cursor }

        /// The next row; `nil` at the end.
        ///
        /// - Returns: the row.
        /// - Throws: `StoreError` when the store is damaged or can't be read; `CancellationError`.
        public mutating func next() async throws -> Cursor.Element? {
            if slice.isEmpty {
                try Task.checkCancellation()
                let current = cursor
                let (next, rows) = try await onThreadOfItsOwn {
                    var cursor = current
                    let rows = try cursor.nextSlice()
                    return (cursor, rows)
                }
                cursor = next
                slice = rows[...]
            }
            return slice.popFirst()
        }
    }
}
