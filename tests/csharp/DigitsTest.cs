using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using Digits;

/// <summary>The digit network through the class library: DigitsTest GOLDEN.txt DIGITS.amg CYCLES. Prints "ok".</summary>
public static class DigitsTest
{
    private sealed class Vector
    {
        internal byte[] Pixels;
        internal float[] Values;
        internal float[] Scores;
    }

    private static readonly List<Vector> Golden = new List<Vector>();

    private static void That(bool holds, string what)
    {
        if (!holds)
        {
            throw new Exception("fails: " + what);
        }
    }

    private static void Near(IReadOnlyList<float> got, IReadOnlyList<float> want)
    {
        That(got.Count == want.Count, "number of scores");
        for (int i = 0; i < got.Count; i++)
        {
            That(Math.Abs(got[i] - want[i]) <= 1e-5, "a score is not the golden one");
        }
    }

    private static float[] Run(Model model, float[] x)
    {
        return model.Run(new Dictionary<string, float[]> { [Model.Input0] = x })[Model.Output0];
    }

    private static void Fails(Code code, string says, Action work)
    {
        try
        {
            work();
        }
        catch (ModelException e)
        {
            That(e.Code == code, $"{code} for {e.Message}, which is {e.Code}");
            That(e.Message.Contains(says), $"'{e.Message}' says nothing of '{says}'");
            return;
        }
        That(false, "no exception that says " + says);
    }

    private static void ReadGolden(string path)
    {
        foreach (string line in File.ReadAllLines(path))
        {
            float[] words = line.Split(' ').Select(w => float.Parse(w, CultureInfo.InvariantCulture)).ToArray();
            Golden.Add(new Vector
            {
                Pixels = words.Take(64).Select(w => (byte)w).ToArray(),
                Values = words.Take(64).Select(w => w / 255).ToArray(),
                Scores = words.Skip(65).ToArray(),
            });
        }
        That(Golden.Count >= 20, "20 vectors");
    }

    private static void Describes(Model model)
    {
        TensorInfo input = model.Inputs.Single();
        That(input.Name == Model.Input0 && input.Size == Model.Input0Size, "the input");
        That(input.Shape.SequenceEqual(new long[] { 1, 1, 8, 8 }) && input.ElementType == typeof(float), "its shape");
        That(model.Outputs.Single().Name == Model.Output0, "the output");
        That(model.Label(7) == "7" && model.Label(10) == null && model.Label(-1) == null, "labels");
        That(model.Meta("name") != null && model.Meta("no such key") == null, "texts");
    }

    private static void Vectors(Model model)
    {
        foreach (Vector v in Golden)
        {
            Near(Run(model, v.Values), v.Scores);
            IReadOnlyList<Prediction> best = model.Classify(v.Pixels, 8, 8, PixelFormat.Gray8, 99);
            Near(best.OrderBy(p => p.ClassIndex).Select(p => p.Score).ToArray(), v.Scores);
            That(best[0].Score >= best[1].Score && best[0].Label == best[0].ClassIndex.ToString(), "order and label");
            byte[] colours = v.Pixels.SelectMany(p => new[] { p, p, p, (byte)9 }).ToArray();
            Prediction first = model.Classify(colours, 8, 8, PixelFormat.Bgra8, 1).Single();
            That(Math.Abs(first.Score - best[0].Score) <= 1e-5, "colours");
        }
    }

    private static void Sessions()
    {
        Model model = Model.Open();
        Session session = model.NewSession();
        float[] scores = new float[10];
        Fails(Code.Argument, "has not run", () => session.Read(0, new float[10]));
        model.Dispose(); // the session keeps it open
        session.Write(0, Golden[0].Values);
        session.Run();
        session.Read(0, scores);
        Near(scores, Golden[0].Scores);
        That(session.Top(0, 3)[0].Label.Length == 1, "labels of a session");
        session.SetShape(0, 2, 1, 8, 8);
        That(session.Outputs[0].Shape.SequenceEqual(new long[] { 2, 10 }), "shape of the output");
        Fails(Code.Shape, "axes", () => session.SetShape(0, 1, 64));
        Fails(Code.Argument, "", () => session.SetShape(0));
        Fails(Code.Argument, "there are 1", () => session.Write(1, new float[1]));
        Fails(Code.Shape, "Int64", () => session.Write(0, new long[128]));
        session.Write(0, Golden[0].Values.Concat(Golden[1].Values).ToArray());
        session.Run();
        float[] both = new float[20];
        session.Read(0, both);
        Near(both, Golden[0].Scores.Concat(Golden[1].Scores).ToArray());
        session.Dispose();
        session.Dispose();
        Fails(Code.Argument, "disposed", session.Run);
        Fails(Code.Argument, "disposed", () => model.NewSession());
        Fails(Code.Argument, "disposed", () => model.Label(1));
        Fails(Code.Argument, "disposed", () => Run(model, Golden[0].Values));
    }

    private static void Threads(Model model)
    {
        float[][] want = Golden.Select(v => Run(model, v.Values)).ToArray();
        Exception fault = null;
        Thread[] all = Enumerable.Range(0, 8).Select(first => new Thread(() =>
        {
            try
            {
                for (int i = 0; i < 100; i++)
                {
                    int at = (first + i) % want.Length;
                    That(Run(model, Golden[at].Values).SequenceEqual(want[at]), "the same in every thread");
                }
            }
            catch (Exception e)
            {
                fault = e;
            }
        })).ToArray();
        foreach (Thread thread in all)
        {
            thread.Start();
        }
        foreach (Thread thread in all)
        {
            thread.Join();
        }
        That(fault == null, "threads: " + fault);
    }

    private static void Faults(Model model, string golden, string path)
    {
        float[] x = Golden[0].Values;
        byte[] damaged = File.ReadAllBytes(path);
        damaged[300] ^= 0x55;
        byte[] weights = File.ReadAllBytes(path);
        weights[weights.Length - 1] ^= 0x55;
        string file = Path.GetTempFileName();
        File.WriteAllBytes(file, weights);
        Fails(Code.Shape, "has 64 elements, not 63", () => Run(model, x.Take(63).ToArray()));
        Fails(Code.Shape, "not 0", () => Run(model, null));
        Fails(Code.Argument, "no input 'nothing'", () => model.Run(new Dictionary<string, float[]> { ["nothing"] = x }));
        Fails(Code.Argument, "missing", () => model.Run(new Dictionary<string, float[]>()));
        Fails(Code.Shape, "63 bytes", () => model.Classify(new byte[63], 8, 8, PixelFormat.Gray8, 1));
        Fails(Code.Shape, "0 bytes", () => model.Classify(null, 8, 8, PixelFormat.Gray8, 1));
        Fails(Code.Shape, "", () => model.Classify(new byte[64], int.MaxValue, int.MaxValue, PixelFormat.Rgba8, 1));
        Fails(Code.Argument, "pixel format", () => model.Classify(new byte[64], 8, 8, (PixelFormat)77, 1));
        Fails(Code.Argument, "negative", () => model.Classify(new byte[64], 8, 8, PixelFormat.Gray8, -1));
        Fails(Code.File, "nothing.amg", () => Model.Open("nothing.amg"));
        Fails(Code.Format, "magic", () => Model.Open(golden));
        Fails(Code.Format, "no bytes", () => Model.Open(new byte[0]));
        Fails(Code.Checksum, "", () => Model.Open(damaged));
        Fails(Code.Checksum, "weights", () => Model.Open(weights));
        Fails(Code.Checksum, "weights", () => Model.Open(file));
        File.Delete(file);
        Fails(Code.Argument, "", () => model.NewSession(-1));
        Fails(Code.Unsupported, "", () => model.NewSession(1, Isa.Wasm));
        Near(Run(model, x), Golden[0].Scores);
        using (Model again = Model.Open(File.ReadAllBytes(path)), third = Model.Open(path))
        {
            Near(Run(again, x), Golden[0].Scores);
            Near(Run(third, x), Golden[0].Scores);
        }
    }

    private static long Resident()
    {
        string line = File.ReadAllLines("/proc/self/status").Single(l => l.StartsWith("VmRSS:"));
        return long.Parse(line.Split(new[] { ' ', '\t' }, StringSplitOptions.RemoveEmptyEntries)[1]);
    }

    private static void Cycles(int times, bool disposing)
    {
        for (int i = 0; i < times; i++)
        {
            Model model = Model.Open();
            Run(model, Golden[0].Values);
            if (disposing)
            {
                model.Dispose();
            }
            else if (i % 50 == 49)
            {
                GC.Collect(); // what is forgotten is freed by the finalizers of its handles
                GC.WaitForPendingFinalizers();
            }
        }
    }

    public static void Main(string[] args)
    {
        ReadGolden(args[0]);
        using (Model model = Model.Open())
        {
            Describes(model);
            Vectors(model);
            Threads(model);
            Faults(model, args[0], args[1]);
        }
        Sessions();
        foreach (bool disposing in new[] { true, false })
        {
            int times = int.Parse(args[2]);
            Cycles(times, disposing);
            long before = Resident();
            Cycles(times, disposing);
            That(Resident() - before < 8192, "memory grows");
        }
        Console.WriteLine("ok");
    }
}
