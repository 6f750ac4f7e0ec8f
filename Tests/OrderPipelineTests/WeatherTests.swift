import Testing

@testable import OrderPipeline

@Suite struct DrawTests {
    @Test func theSameNamesDrawAlikeAndOthersDoNot() {
        var one = Draw(seed: 1, "a", "b")
        var same = Draw(seed: 1, "a", "b")
        var shifted = Draw(seed: 1, "ab", "")
        var reseeded = Draw(seed: 2, "a", "b")
        let bits = one.bits()
        #expect(bits == same.bits())
        #expect(bits != shifted.bits())
        #expect(bits != reseeded.bits())
    }

    @Test func integersCoverTheirRangeEvenly() {
        var draw = Draw(seed: 3)
        var counts = [Int: Int]()
        for _ in 0..<6_000 { counts[draw.integer(in: -1...4), default: 0] += 1 }
        #expect(Set(counts.keys) == Set(-1...4))
        #expect(counts.values.allSatisfy { (850...1_150).contains($0) })
    }
}

@Suite struct FaultModelTests {
    private func plans(attempt: Int, seed: UInt64 = 1) -> [FaultModel.Plan] {
        (0..<20_000).map {
            FaultModel(seed: seed).plan(order: "o-\($0)", scope: "", step: "s", occurrence: 0, attempt: attempt)
        }
    }

    @Test func bodiesTakeTwoToTwentyMilliseconds() {
        let durations = plans(attempt: 1).map(\.duration)
        #expect(durations.allSatisfy { (.milliseconds(2)...(.milliseconds(20))).contains($0) })
        #expect(durations.contains { $0 < .milliseconds(3) } && durations.contains { $0 > .milliseconds(19) })
    }

    @Test func oneInTenFailsHalfOfThemAfterTheirEffect() {
        let failures = plans(attempt: 1).map(\.failure)
        #expect((1_800...2_200).contains(failures.count { $0 != .never }))
        #expect((850...1_150).contains(failures.count { $0 == .afterEffect }))
    }

    @Test func noStepFailsForEver() {
        #expect(plans(attempt: FaultModel.lastFailingAttempt).contains { $0.failure != .never })
        #expect(plans(attempt: FaultModel.lastFailingAttempt + 1).allSatisfy { $0.failure == .never })
    }

    @Test func theSeedAndEveryPartOfTheNameCount() {
        let model = FaultModel(seed: 1)
        let plan = model.plan(order: "o", scope: "", step: "s", occurrence: 0, attempt: 1)
        #expect(plan == model.plan(order: "o", scope: "", step: "s", occurrence: 0, attempt: 1))
        #expect(plan != FaultModel(seed: 2).plan(order: "o", scope: "", step: "s", occurrence: 0, attempt: 1))
        #expect(plan != model.plan(order: "p", scope: "", step: "s", occurrence: 0, attempt: 1))
        #expect(plan != model.plan(order: "o", scope: "item-1", step: "s", occurrence: 0, attempt: 1))
        #expect(plan != model.plan(order: "o", scope: "", step: "t", occurrence: 0, attempt: 1))
        #expect(plan != model.plan(order: "o", scope: "", step: "s", occurrence: 1, attempt: 1))
        #expect(plan != model.plan(order: "o", scope: "", step: "s", occurrence: 0, attempt: 2))
    }
}

@Suite struct KillPlanTests {
    @Test func everySeedKillsThreeToFiveTimesInTheMidstOfTheWork() {
        for seed in 0..<500 {
            let plan = KillPlan(seed: UInt64(seed), steps: 1_000)
            #expect((3...5).contains(plan.moments.count))
            #expect(plan.moments.allSatisfy { (50...900).contains($0.begun) && $0.delay <= .milliseconds(4) })
            #expect(plan.moments.map(\.begun) == plan.moments.map(\.begun).sorted())
            #expect(plan == KillPlan(seed: UInt64(seed), steps: 1_000))
        }
        #expect(KillPlan(seed: 1, steps: 1_000) != KillPlan(seed: 2, steps: 1_000))
    }

    /// Plays an order of four steps to its end: every kill comes while some body has begun, and none is left over.
    @Test func evenTheSmallestFileMeetsEveryKill() {
        for seed in 0..<100 {
            let plan = KillPlan(seed: UInt64(seed), steps: 4)
            var tally = Tally()
            var done = 0
            while done < 4 {
                tally.take(.bodyBegan)
                if plan.due(tally) != nil {
                    tally.workerWasKilled()
                } else {
                    tally.take(.bodySucceeded)
                    done += 1
                }
            }
            #expect(tally.kills == plan.moments.count)
            #expect(tally.cutOff == plan.moments.count)
        }
    }

    @Test func goesOnKillingUntilABodyIsCutOff() throws {
        let plan = KillPlan(seed: 1, steps: 4)
        var tally = Tally()
        for _ in plan.moments {
            for _ in 0..<10 { [Mark.bodyBegan, .bodySucceeded].forEach { tally.take($0) } }
            #expect(plan.due(tally) != nil)
            tally.workerWasKilled()
        }
        #expect(tally.cutOff == 0)
        #expect(plan.due(tally) == nil, "a new life first has to begin a body")
        tally.take(.bodyBegan)
        #expect(plan.due(tally) == .zero)
        tally.workerWasKilled()
        tally.take(.bodyBegan)
        #expect(tally.cutOff == 1)
        #expect(plan.due(tally) == nil)
    }
}
