import ArgumentParser
import Glibc
import StepKit

/// Checks a whole store.
struct VerifyCommand: StoreCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check every record, history, chain hash, table and page of the store.",
        discussion: """
            It reads the whole store and changes nothing. With --json each finding is an object, then the result. Exit \
            code 0 means that nothing is wrong, 3 that something is.
            """)

    @OptionGroup var options: ReadOptions

    /// Set by the parent process.
    @Flag(help: .hidden)
    var inThisProcess = false

    func run(_ console: Console) throws {
        if inThisProcess {
            PageFaults.leaveToParent()
            try check(console)
        } else {
            try checkInChild(console)
        }
    }

    private func check(_ console: Console) throws {
        let reader: StoreReader
        do {
            // A torn commit is a finding, no reason to look no further.
            reader = try StoreReader(path: try options.path, checksEnd: false)
        } catch let error as StoreError where error.code == .damaged {
            if options.json { try console.line(StoreVerification.Finding(unreadable: error.detail).json) }
            throw error
        }
        defer { reader.close() }
        let result = try reader.verify()
        for finding in result.findings {
            try options.json ? console.line(finding.json) : console.line(Self.text(finding))
        }
        if options.json { try console.line(result.json) }
        let count = result.findings.count + result.furtherFindings
        if count > 0 {
            let things = count == 1 ? "1 thing is" : "\(count) things are"
            let rest = result.furtherFindings > 0 ? " (the first \(result.findings.count) are listed)" : ""
            throw CommandFailure(
                message: "\(things) wrong with the store\(rest). Restore a backup; keep these files.", status: .store)
        }
        if options.json { return }
        try console.line(
            "Sound: \(result.records) records in \(result.commits) commits, \(result.runs) runs, up to LSN"
                + " \(result.lastLSN).")
        try console.line("Chain hash there: \(result.chainText)")
    }

    private static func text(_ finding: StoreVerification.Finding) -> String {
        var place: [String] = []
        if let table = finding.table { place.append("table \(table)") }
        if let lsn = finding.lsn { place.append("record \(lsn)") }
        if let run = finding.run { place.append("run \(run)") }
        let text = place.isEmpty ? finding.detail : "\(place.joined(separator: ", ")): \(finding.detail)"
        return printable("\(finding.kind): \(text)")
    }

    /// The database is mapped into memory, and a damaged page may lead outside the map: only a process of its own can
    /// fall victim to that and leave someone to tell.
    private func checkInChild(_ console: Console) throws {
        let path = try options.path
        let child = try ChildProcess(
            ["stepkit", "verify", "--in-this-process", "--store", path] + (options.json ? ["--json"] : []))
        switch try child.wait() {
        case .exited(let code):
            guard let status = EndStatus(rawValue: code) else {
                throw CommandFailure(message: "the check ended with status \(code)", status: .failed)
            }
            // The child has said why.
            if status != .ok { throw CommandFailure(message: nil, status: status) }
        case .signalled(let number) where ChildProcess.faults.contains(number):
            let detail = "the check ended with signal \(number): pages of the database are damaged"
            if options.json { try console.line(StoreVerification.Finding(unreadable: detail).json) }
            throw CommandFailure(
                message: "store \(path): \(detail). Restore a backup; keep these files.", status: .store)
        case .signalled(let number):
            throw CommandFailure(message: "the check was ended by signal \(number)", status: .failed)
        }
    }
}
