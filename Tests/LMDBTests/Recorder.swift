import Glibc
import Synchronization

/// A list that closures on any thread append to.
final class Recorder<Element: Sendable>: Sendable {
    private let list = Mutex<[Element]>([])

    var values: [Element] { list.withLock { $0 } }

    func append(_ element: Element) { list.withLock { $0.append(element) } }
}

/// A thread of the test's own, since LMDB's rules are about threads.
final class TestThread: @unchecked Sendable {
    // Set once, before the thread runs and after it was made; `join` reads it on the thread that made it.
    private var thread = pthread_t()

    private final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    init(_ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Box(body)).toOpaque()
        pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body() }
                return nil
            }, box)
    }

    func join() { pthread_join(thread, nil) }
}
