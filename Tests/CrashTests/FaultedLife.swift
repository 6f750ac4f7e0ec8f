import CrashWorkload
import Foundation
import TestSupport

/// What happens to the n-th write or sync call on a store's files.
enum Fault: Hashable {
    case error(Int32, isSticky: Bool, isLate: Bool = false)
    /// The disk is full half-way through a write, and has no room at the next `requests` for some.
    case short(requests: Int)
    case kill(after: Bool)

    func environment(at number: Int) -> [String: String] {
        var variables = ["STEPKIT_FAULT_AT": "\(number)"]
        switch self {
        case .error(let code, let isSticky, let isLate):
            variables["STEPKIT_FAULT_ERRNO"] = "\(code)"
            if isSticky { variables["STEPKIT_FAULT_STICKY"] = "1" }
            if isLate { variables["STEPKIT_FAULT_LATE"] = "1" }
        case .short(let requests): variables["STEPKIT_FAULT_SHORT"] = "\(requests)"
        case .kill(let after): variables["STEPKIT_FAULT_KILL"] = after ? "after" : "before"
        }
        return variables
    }
}

/// What the shim in the worker counted.
struct FaultReport {
    enum File: UInt64 { case none, data, witness, lock, creation, other, meta, directory, parent }
    enum Call: UInt64 { case none, write, pwrite, writev, fdatasync, fsync }

    /// All calls on files of the store, and how many of them were struck.
    var calls: Int
    var struck: Int
    var call: Call
    var file: File
    /// Calls on the database after the first struck one.
    var dataCallsAfter: Int
    var dataSyncsAfter: Int
    var dataWrites: Int
    var dataSyncs: Int
    var witnessWrites: Int
    var reservations: Int

    var directorySyncs: Int
    var directorySyncsAfterWitness: Int
    var parentSyncs: Int

    fileprivate static let words = 13

    fileprivate init(_ words: [UInt64]) {
        let number = { (index: Int) in Int(words[index]) }
        calls = number(0)
        struck = number(1)
        call = Call(rawValue: words[2]) ?? .none
        file = File(rawValue: words[3]) ?? .none
        dataCallsAfter = number(4)
        dataSyncsAfter = number(5)
        dataWrites = number(6)
        dataSyncs = number(7)
        witnessWrites = number(8)
        reservations = number(9)
        directorySyncs = number(10)
        directorySyncsAfterWitness = number(11)
        parentSyncs = number(12)
    }
}

/// A store whose worker meets faults.
struct FaultedStore {
    private let directory: TemporaryDirectory
    var orders: WorkerOrders
    private(set) var oracle: Oracle

    init(_ plans: [Plan]) throws {
        directory = try TemporaryDirectory("stepkit-fault", inMemory: true)
        try FileManager.default.createDirectory(
            atPath: directory.appending("watched"), withIntermediateDirectories: false)
        orders = WorkerOrders(store: directory.appending("watched/store"), plans: plans)
        orders.isHasty = true
        oracle = Oracle(plans)
    }

    /// One life with a fault, or with none.
    mutating func live(_ fault: (Fault, at: Int)? = nil) throws -> (life: WorkerProcess.Life, report: FaultReport) {
        let path = directory.appending("report")
        try Data(count: FaultReport.words * 8).write(to: URL(fileURLWithPath: path))
        var environment = fault.map { $0.0.environment(at: $0.at) } ?? [:]
        environment["STEPKIT_FAULT_REPORT"] = path
        environment["STEPKIT_FAULT_UNDER"] = directory.appending("watched")
        let life = try WorkerProcess.live(orders, environment: environment)
        oracle.take(life.marks)
        let words = try Data(contentsOf: URL(fileURLWithPath: path)).withUnsafeBytes { bytes in
            (0..<FaultReport.words).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) }
        }
        return (life, FaultReport(words))
    }

    /// A life without faults, which must find everything and finish; what is wrong with it.
    mutating func finish() throws -> [String] {
        orders.verifies = true
        orders.givesUpAfter = nil
        let (life, _) = try live()
        var problems = oracle.closeBooks()
        if !life.finished() { problems.append("the next life came to \(life.end): \(life.marks.suffix(3))") }
        return problems
    }
}
