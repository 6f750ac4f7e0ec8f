import Foundation
import Testing

@testable import OrderPipeline

/// In exit tests, because watching for Ctrl-C changes what the whole process does about signals.
@Suite struct ChildProcessTests {
    @Test func aChildsOutputAndStatusArrive() async {
        await #expect(processExitsWith: .success) {
            let child = try shell("echo one; echo two >&2; exit 3")
            var text = ""
            for sign in signs(of: child) {
                if case .output(let data) = sign { text += String(decoding: data, as: UTF8.self) }
            }
            try #require(text == "one\n")
            try #require(child.wait() == .exited(3))
        }
    }

    @Test func aKilledChildIsRecognized() async {
        await #expect(processExitsWith: .success) {
            let child = try shell("echo ready; exec sleep 20")
            for sign in signs(of: child) {
                if case .output = sign { child.kill() }
            }
            try #require(child.wait() == .signalled(SIGKILL))
        }
    }

    @Test func controlCIsNoticedWhileAChildIsSilent() async {
        await #expect(processExitsWith: .success) {
            let child = try shell("echo ready; exec sleep 20")
            var wasInterrupted = false
            for sign in signs(of: child) {
                if case .output = sign { kill(getpid(), SIGINT) }
                if case .interrupted = sign {
                    wasInterrupted = true
                    child.kill()
                    break
                }
            }
            try #require(wasInterrupted)
            try #require(child.wait() == .signalled(SIGKILL))
        }
    }

    @Test func aProgramThatIsNotThereIsAClearError() async {
        await #expect(processExitsWith: .success) {
            let error = #expect(throws: PipelineError.self) {
                try ChildProcess("/nowhere/tool", [], errors: .standardError, interrupts: Interrupts())
            }
            try #require(error?.description.hasPrefix("/nowhere/tool failed: ") == true)
        }
    }
}

private func shell(_ script: String) throws -> ChildProcess {
    try ChildProcess("/bin/sh", ["-c", script], errors: .nullDevice, interrupts: Interrupts())
}

/// The child's signs, one by one, up to its end.
private func signs(of child: ChildProcess) -> some Sequence<ChildProcess.Sign> {
    sequence(state: ()) { _ in
        while true {
            switch child.next(within: .seconds(60)) {
            case .ended: return nil
            case .quiet: continue
            case let sign: return sign
            }
        }
    }
}
