#!/usr/bin/env python3
"""The driver and the programs it starts, which are scripts here: those that answer, crash, hang or babble."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import unittest
from unittest import mock

import bench
import contenders
from driver_test import scenario


class Programs(unittest.TestCase):
    """Contenders that are programs; here they are scripts."""

    def setUp(self):
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        self.build = pathlib.Path(held.name)

    def script(self, where, text):
        file = self.build / where
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!{sys.executable} -IS\nimport os, sys\n" + textwrap.dedent(text))
        file.chmod(0o755)
        return file

    def peer(self, text):
        file = self.script("peer", text)
        return contenders.Peer("made up", file, [str(file)], "package")

    def test_a_peer_is_asked_for_the_work_of_everybody(self):
        peer = self.peer("""
            if "--list" in sys.argv: print("layer/x")
            else: print('{"ns_per_op": %s, "check": true}' % sys.argv[sys.argv.index("--n") + 1])
            """)
        self.assertTrue(peer.has(scenario("layer/x/rows:10"), 1))
        self.assertFalse(peer.has(scenario("layer/y"), 1))
        self.assertFalse(peer.has(scenario("layer/x", alone=True), 1))
        self.assertEqual(peer.measure(scenario("layer/x"), 1, 1000), [1000])

    def test_a_peer_that_is_wrong_crashes_hangs_or_babbles_has_failed(self):
        for text, said in (("""print('{"ns_per_op": 1, "check": false}'); sys.exit(1)""", "wrong answer"),
                           ("""print('{"ns_per_op": 1, "check": false}')""", "wrong answer"),
                           ("""sys.exit("out of memory")""", "out of memory"),
                           ("""os.abort()""", "exit -6"),
                           ("""print("hello")""", "nothing that can be read"),
                           ("", "nothing that can be read"),
                           ("""print('{"ns_per_op": NaN, "check": true}')""", "took nan"),
                           ("""print('{"ns_per_op": 0, "check": true}')""", "took 0"),
                           ("""os.write(1, b"\\xff")""", "nothing that can be read"),
                           ("""import time; time.sleep(60)""", "took more than 0.2 s")):
            with mock.patch.object(contenders, "LIMIT_SECONDS", 0.2 if "sleep" in text else 60):
                with self.assertRaisesRegex(contenders.Failed, said):
                    self.peer(text).measure(scenario("x"), 1, 1000)
        with self.assertRaises(contenders.Absent):
            self.peer("sys.exit(3)").measure(scenario("x"), 1, 1000)
        with self.assertRaisesRegex(contenders.Failed, "cannot be started"):
            contenders.Peer("gone", self.build / "gone", [str(self.build / "gone")], "package").measure(scenario("x"), 1, 1)

    def test_a_peer_that_cannot_say_what_it_knows_is_asked_and_fails(self):
        peer = self.peer("sys.exit('broken')")
        self.assertTrue(peer.has(scenario("x"), 1))
        with self.assertRaisesRegex(contenders.Failed, "broken"):
            peer.measure(scenario("x"), 1, 1000)

    def test_who_hangs_takes_along_what_it_started(self):
        alive = self.build / "alive"
        os.mkfifo(alive)
        peer = self.peer(f"""
            import time
            if os.fork() == 0:
                held = os.open({str(alive)!r}, os.O_WRONLY)
                time.sleep(60)
            time.sleep(60)""")
        with mock.patch.object(contenders, "LIMIT_SECONDS", 0.5):
            reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
            with self.assertRaises(contenders.Failed):
                peer.measure(scenario("x"), 1, 1000)
        os.set_blocking(reader, True)
        self.assertEqual(os.read(reader, 1), b"")    # its last writer is gone
        os.close(reader)

    def heirloom(self, **benchmark):
        self.script("bench/heirloom/program", f"""
            import json
            if "--benchmark_list_tests" in sys.argv: print("layer/x/workers:1/manual_time")
            else:
                told = {{"time_unit": "us", "real_time": 2.0, "n": float(os.environ["HEIRLOOM_BENCH_N"])}}
                print(json.dumps({{"benchmarks": [told | {benchmark!r}]}}))
            """)
        return contenders.Heirloom(self.build)

    def test_ours_are_read_in_nanoseconds_an_operation(self):
        ours = scenario("x", heirloom="layer/x/workers:{workers}")
        self.assertEqual(self.heirloom().measure(ours, 1, 1000), [2000])
        self.assertEqual(self.heirloom(run_0=5.0, run_1=6).measure(ours, 1, 1000), [5, 6])
        self.assertEqual(self.heirloom(items_per_second=1e7).measure(ours, 1, 1000), [100])
        self.assertEqual(self.heirloom(bytes=449.0).measure(ours | {"unit": "bytes"}, 1, 1000), [449])
        self.assertAlmostEqual(self.heirloom(real_time=3000.0).measure(ours | {"unit": "ms"}, 1, 1000)[0], 3)

    def test_ours_do_the_work_of_everybody(self):
        ours = scenario("x", heirloom="layer/x/workers:{workers}", unit="bytes")
        heirloom = self.heirloom()
        self.script("bench/heirloom/program", """
            print('{"benchmarks": [{"time_unit": "ns", "real_time": 1, "bytes": %s}]}' % os.environ["HEIRLOOM_BENCH_N"])""")
        self.assertEqual(heirloom.measure(ours, 1, 100), [100])

    def test_ours_fail_by_a_wrong_answer_and_by_not_being_there(self):
        ours = scenario("x", heirloom="layer/x/workers:{workers}")
        with self.assertRaisesRegex(contenders.Failed, "wrong answer"):
            self.heirloom(error_occurred=True, error_message="wrong answer").measure(ours, 1, 1000)
        with self.assertRaisesRegex(contenders.Failed, "no benchmark layer/x/workers:2"):
            self.heirloom().measure(ours, 2, 1000)

    def test_an_alternative_stands_beside_ours(self):
        self.script("bench/heirloom/program", """
            if "--benchmark_list_tests" in sys.argv: print("layer/x/heirloom\\nlayer/x/locked_map/manual_time")
            else:
                asked = next(w for w in sys.argv if "filter" in w)
                print('{"benchmarks": [{"time_unit": "ns", "real_time": %d}]}' % (2 if "locked_map" in asked else 1))""")
        other = contenders.Alternative(self.build, "locked_map")
        ours = scenario("x", heirloom="layer/x/heirloom")
        self.assertTrue(other.has(ours, 1))
        self.assertFalse(other.has(scenario("x", heirloom="layer/x"), 1))
        self.assertEqual((contenders.Heirloom(self.build).measure(ours, 1, 1000), other.measure(ours, 1, 1000)), ([1], [2]))

    def bench(self, *words):
        return subprocess.run(self.prepared(*words), capture_output=True, text=True)

    def prepared(self, *words):
        """The whole program, on a build of scripts that know one benchmark."""
        self.script("bench/tools/calibration", """
            print('{"units": {"load_l1": 1}, "floors": {"savina/sieve": 8}, "floors_made_of": {"savina/sieve": "load_l1"}}')""")
        self.script("bench/heirloom/program", """
            import json
            if "--benchmark_list_tests" in sys.argv: print("savina/sieve/workers:1\\nsavina/sieve/workers:2")
            else: print(json.dumps({"benchmarks": [{"time_unit": "ns", "real_time": float(os.environ.get("MADE_UP", 20))}]}))
            """)
        self.script("bench/peers/bin/peer_go", """
            if "--list" in sys.argv: print("savina/sieve")
            else: print('{"ns_per_op": 10, "check": true}')""")
        build = self.build / "build"
        if not build.exists():
            build.mkdir()
            (build / "bench").symlink_to(self.build / "bench")
        return [sys.executable, bench.__file__, "--build", str(build), *words]

    def test_the_whole_writes_reports_and_compares(self):
        done = self.bench("--filter", "savina/sieve", "--runs", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith("behind: sieve, a candidate on 1 worker: 20.0, go 10.0: 2.00 times"), done.stdout)
        self.assertIn("missing: caf is not installed (Debian: libcaf-dev)", done.stdout)
        written = json.loads((self.build / "bench" / "report.json").read_text())
        self.assertEqual([(r["contender"], r["workers"], r["ns_per_op"], r["runs"]) for r in written["results"]],
                         [("heirloom", 1, 20, 2), ("go", 1, 10, 2), ("heirloom", 2, 20, 2), ("go", 2, 10, 2)])
        self.assertTrue(written["machine"]["processor"] and written["machine"]["compiler"])
        self.assertTrue({"commit", "versions"} <= written.keys())
        self.assertIn("sieve, a candidate", (self.build / "bench" / "report.md").read_text())
        kept = self.build / "earlier.json"
        kept.write_text((self.build / "bench" / "report.json").read_text())
        with mock.patch.dict(os.environ, MADE_UP="40"):
            done = self.bench("--filter", "savina/sieve", "--runs", "2", "--against", str(kept))
        self.assertIn("slower: heirloom: savina/sieve on 2: 20.0 -> 40.0 (2.00 times)", done.stdout)
        self.assertNotIn("slower: go", done.stdout)

    def test_a_benchmark_of_ours_that_is_gone_fails_the_run(self):
        done = self.bench("--filter", "savina/big", "--runs", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("failed: big, a ping on 1 worker: heirloom failed: there is no benchmark savina/big/workers:1", done.stdout)

    def test_that_is_interrupted_reports_what_it_has(self):
        words = self.prepared("--filter", "savina/sieve", "--runs", "500")
        report_file = self.build / "bench" / "report.json"
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            while not report_file.exists():    # the first pass is done, and written down
                self.assertIsNone(running.poll())
            running.terminate()
            out, _ = running.communicate()
        self.assertEqual(running.returncode, 130)
        self.assertIn("sieve, a candidate", out)
        written = json.loads(report_file.read_text())
        self.assertTrue(written["interrupted"])
        self.assertTrue(all(1 <= r["runs"] < 500 for r in written["results"]))

    def test_goes_on_without_floors_if_the_calibration_fails(self):
        words = self.prepared("--filter", "savina/sieve", "--runs", "1")
        self.script("bench/tools/calibration", "sys.exit('broken')")
        done = subprocess.run(words, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("missing: no floors", done.stdout)

    def test_words_it_does_not_know_are_refused(self):
        for words, said in ((["tabels"], "no group is called tabels"), (["--runs", "0"], "from 1 on"),
                            (["restart", "--keep"], "a run of everything"),
                            (["--filter", "nothing like it"], "no scenario is named")):
            done = self.bench(*words)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main()
